"""Describe the behaviour of clients as features, and that of the site as statistics.

From a request to a row of features::

    observation.py      an answered request, waiting in buffer.py
    events.py           observations as columns; routes.py recognises their routes
    folding.py          add them to clients' profiles (profile.py); sketch.py finds new paths
    sums.py             the table of fading sums that a profile holds
    features.py         the table of features, computed of the sums
    rows.py             a row of features, packed for training
    site_statistics.py  the site's shares, hours, paces and quantiles

To add a feature: give it a line in ``features.py``; if no sum holds its data, a line in ``sums.py``
(and a column in ``events.py`` if it needs more of a request); and a place in
``flask_irl/verdicts/themes.py``, which a test misses otherwise, perhaps with a sentence. Both
tables are part of ``SCHEMA``: profiles, rows and models of the old schema are no longer used.
"""
