"""The pure model of conferences: what an organizer scheduled, who takes part, and the rules of a running meeting."""
