"""Run a site for a long time while its store and its workers fail on a schedule."""
