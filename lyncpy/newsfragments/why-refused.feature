`why USER` shows the last requests of a user that were refused, with what was said and answered but for secrets and bodies; `refusals --lines` has all lines of each.
