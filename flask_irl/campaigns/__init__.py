"""Find campaigns: attacks of many clients, none of which shows enough alone. Pure.

Beside the profiles of clients the site keeps what is usual for its newcomers as a whole::

    newcomers.py   who is new, and to which sort a newcomer belongs
    news.py        what a flush has seen of newcomers: counts, by subject
    activity.py    a subject's fading counts, and its usual rates
    criteria.py    when a subject has left what is usual, and when it is back
    campaign.py    a campaign that has been named, and the table of those that run
    site_view.py   all subjects together: news in, campaigns out

A *subject* is what a campaign may be named for: a sort of newcomers at a login route, a sort of
newcomers on the whole site, or one of a network. There is a bounded number of them, and each takes
the same few numbers, however many clients come.
"""
