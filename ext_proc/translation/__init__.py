"""Translation between formats: bodies and streams of one family, through neutral values.

`requests` writes what a target is sent, `answers` what the caller gets back; `table` lists the
codecs. A request or answer that needs no translation never comes here.
"""
