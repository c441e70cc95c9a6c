"""Where stages run and what is captured about it: runners, codecs, code reading, environment. Chosen by `bootstrap` alone."""
