"""How good are the words: recordings with references in, error rates and their significance out.

    clips = read_manifest(path)                                   # manifest      which clips, what is said in them
    results = transcribe_clips(model, clips, folder, options_of)  # results       what is heard, how long it takes
    scored = [score(clip, result, metrics) for ...]               # scoring       hits and errors; sums by group
    report = make_report(scored, metrics, config)                 # report        plain data: what JSON holds
    terminal.render(report), page.render(report)                  # for people
    compare(scored, others)                                       # significance  is the difference more than chance
    likeness(results, others)                                     # likeness      another system's texts and times?

It knows the line, the line does not know it. jiwer counts, whisper-normalizer normalises: the `evaluate` extra.
"""
