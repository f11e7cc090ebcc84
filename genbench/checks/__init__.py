"""Before a run: what a trial may say, what is not comparable in a study, what it costs."""
