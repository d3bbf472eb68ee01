"""Make access logs of made-up sites, with exact labels, to develop and judge detection on.

``python -m loadtests.simulator --scenario ordinary --seed 3 --set design OUT.csv.gz`` writes what
``irl replay`` reads. A log is ten hours of one site; the first two fifths are without attacks,
save for the drift, which begins there as a person.
The seed draws the site (kind, routes, names, sizes), its clients, and each client's own numbers:
the same seed gives the same bytes, and the same site in every scenario. Statuses are those that
the site alone would answer; nobody is limited.

A client, which is an address, has one label all along: ``legit:`` or ``attack:``, and a family of
:mod:`~loadtests.simulator.families`.

Scenarios:

- ``ordinary``: everybody, and every attack.
- ``clean``: nobody attacks.
- ``flash_crowd_deploy``: a crowd around the time of a deploy, which moves routes, changes sizes
  and fails for some minutes; a few attacks.
- ``holiday``: after the clean hours hardly anybody is at work, people are fewer and later, and new
  jobs run; a few attacks.
- ``morning``: at nine a mailing goes out, and an office's people log in; a carrier's customers
  come with ever new addresses of one network; a few attacks.
- ``cold_start``: no clean hours; four attacks, which come in the first ten minutes.
- ``small_site``, ``large_site``: as ``ordinary``, on a site of five routes, or of five hundred.
- ``mobile_api``: an API that thousands of people's mobile app posts to. Nobody attacks: the
  evaluation injects its own attackers, as into a real log.

Clients that are nothing but eager (telemetry, autosave, chat, polling after a deploy) are in all of
them.

Two sets of parameters: tune on ``design``, report on ``held_out``. They share no kind of site, no
page, no call, and no shape of human-like gaps, and their rates, lengths and numbers differ.
Legitimate people keep to what was measured on real logs in both, save that a log of hours has
fewer of the long pauses between visits than one of weeks.
"""
