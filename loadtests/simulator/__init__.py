"""Make access logs of made-up sites, with exact labels, to develop and judge detection on.

``python -m loadtests.simulator --scenario ordinary --seed 3 --set design OUT.csv.gz`` writes what
``irl replay`` reads. A log is ten hours of one site; the first two fifths are without attacks.
The seed draws the site (kind, routes, names, sizes), its clients, and each client's own numbers:
the same seed gives the same bytes, and the same site in every scenario. Statuses are those that
the site alone would answer; nobody is limited.

A client, which is an address, has one label all along, ``legit:`` or ``attack:`` and a family:

| label | |
| --- | --- |
| ``legit:browser`` | people: pages, and bursts of assets where the site serves them |
| ``legit:spa`` | people in a single-page app: a burst of calls for each view |
| ``legit:mobile_app`` | people in a mobile app, which mostly posts; some scroll without end |
| ``legit:mistyped_password`` | people who fail to log in a few times, then browse or give up |
| ``legit:office_6``, ``legit:office_60`` | so many people behind one address |
| ``legit:flash_crowd`` | ten times the usual number of people, for one thing |
| ``legit:poller`` | one or two feeds every 10 to 60 s |
| ``legit:batch`` | a job at 80 a minute on schedule, through ids of its own |
| ``legit:new_batch`` | the same, but new: a holiday's |
| ``legit:crawler`` | a search engine's, through all items and some that are gone |
| ``legit:health_check`` | checks that the site is up |
| ``legit:optimistic_lock`` | changes told 412, four a second, until one gets through |
| ``legit:form`` | forms that are checked at each key press, and told 422 |
| ``legit:lock_wait`` | waits for what others have locked: 423, 409 |
| ``legit:upload_quota`` | files that are too large: 413 |
| ``legit:graphql`` | calls of one endpoint, half of them with errors: 400 |
| ``legit:wrong_method`` | tries a method that isn't allowed first: 405 |
| ``legit:conditional_create`` | creates what is there, or without a condition: 412, 428 |
| ``attack:scraper_20``, ``_60``, ``_95`` | takes all items, so many a minute at a steady pace |
| ``attack:scraper_20_jittered``, ... | the same with gaps as people's |
| ``attack:flood`` | hundreds to thousands a minute of one page |
| ``attack:stuffing`` | stolen passwords from one address |
| ``attack:stuffing_spread`` | a few each from thousands of addresses |
| ``attack:scan`` | paths that others left open, nearly all 404 |
| ``attack:enumeration`` | people's ids one after the other, a few a minute, for hours |
| ``attack:rotation`` | a scraper that changes its address all the time |
| ``attack:drift`` | like a person first, ever faster for hours, then all it can get |

Scenarios:

- ``ordinary``: everybody, and every attack.
- ``clean``: nobody attacks.
- ``flash_crowd_deploy``: a crowd around the time of a deploy, which moves routes, changes sizes
  and fails for some minutes; a few attacks.
- ``holiday``: after the clean hours hardly anybody is at work, people are fewer and later, and new
  jobs run; a few attacks.
- ``cold_start``: no clean hours; three attacks are there in the first five minutes.

Two sets of parameters: tune on ``design``, report on ``held_out``. They share no kind of site, no
page, no call, and no shape of human-like gaps, and their rates, lengths and numbers differ.
Legitimate people keep to what was measured on real logs in both, save that a log of hours has
fewer of the long pauses between visits than one of weeks.
"""
