"""What tests are made of: clocks, stores, people, clients; typed and documented like lyncpy itself."""
