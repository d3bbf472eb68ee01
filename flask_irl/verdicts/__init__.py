"""Judge clients by their profiles: scores, steps on the ladder, and the reasons for people.

``profiler.py`` is the way in: it takes observations and flushes them. A flush is four functions,
each with record fields that no other one writes, and the pure judge between them::

    flush.py          merge.py           observations -> profiles
                      judge.py           profiles -> scores and next steps (rules.py, ladder.py)
                      steps.py           next steps -> steps, with crowd_guard.py and traps.py
                      training_rows.py   profiles that may be learned from -> rows
                      save.py            profiles, scores and steps -> the store
                      site_update.py     counters, rows and rankings.py -> the store, once

``present.py`` judges clients that are looked at as of now. ``explanations.py``, ``themes.py`` and
``sentences.py`` give the reasons for a score.
"""
