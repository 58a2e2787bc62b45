`lyncpy doctor dns` asks all that clients ask, of each domain, and shows what came back: also a record that nobody needs and that leads them to another server.
