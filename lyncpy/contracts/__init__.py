"""The promises: names, values and interfaces that the floors above agree on.

Next to no behaviour lives here. An interface (`I…`) is a zope.interface; its docstring
is the contract that every implementation is tested against. Values are frozen.
"""
