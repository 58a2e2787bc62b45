Meeting links (`[conferencing] meeting_url`) lead to a page of lyncpy's own site that starts the installed client and says what to do without one.
