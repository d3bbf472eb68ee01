"""Serve the operator's page: what happens, why, and what to do about it, in a browser.

HTML is made here, by templates of this package; links and forms work without script. All that it
shows and changes goes through :mod:`flask_irl.operations`.
"""
