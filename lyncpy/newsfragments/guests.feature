People without an account join meetings as guests, as Lync's anonymous clients do: where the organizer's policy and the
meeting allow it they come in by its key, or by its link where it has none, or wait in the lobby. `[conferencing]
guests = false` shuts them out altogether.
