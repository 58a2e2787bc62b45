Answers carry the identity of whoever gives them (P-Asserted-Identity with the directory's name and phone line), and an invitation says in History-Info which address was called, as with Lync Server.
