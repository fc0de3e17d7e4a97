"""Everything that knows the workflow: configuration, jobs and their stages, what runs anew, what it costs."""
