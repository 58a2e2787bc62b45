"""The request pipeline: a request's way through the server.

`transactions` turns messages into arrivals and answers into messages; `dispatch` answers
each arrival once: `gate` proves the sender, `router` chooses the route, a workload answers.
`forward` is the proxy, `notifier` keeps subscriptions, `outbound` sends requests of our
own, `timers` and `unit` give the server its deadlines and its order of opening and closing.
"""
