`signin locks` lists who has to wait after failed sign-ins, `signin unlock USER` or `signin unlock ADDRESS` lets them try again, and `why` says what holds and how to end it.
