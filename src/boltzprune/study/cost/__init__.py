"""How long a job takes before it has run: sizes of the study -> amount of work -> seconds -> limit on a cluster."""
