A publication and a batch of people to watch in the form that clients usually write cost a fifth less to process.
