A third person can be invited into a talk at any time; then it is a conference, which the IM MCU carries: what was
accepted reaches everybody who is in it once, or its sender is told who did not get it. Presenters lock, promote, let in
from the lobby, throw out and end; operators do the same with `conference …`. docs/meetings.md tells the rest.
