A presenter's client can have the server call somebody into a meeting, and is told whether the invited person has accepted or declined.
