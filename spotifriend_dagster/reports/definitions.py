"""What the figures of a summary mean, in short: the page shows these, and every figure on it leads to one.

docs/metrics.md is the truth, and has them in full.
"""

DEFINITIONS = {
    "coverage": (
        "Coverage",
        "A day is complete when an export or an unbroken chain of polls reaches it, a minimum when plays may be "
        "missing, unknown otherwise. A figure over a day that is a minimum says “at least”.",
    ),
    "listening-time": (
        "Listening time",
        "The sum of what was really played, of music, podcasts and all else; never of track lengths. It is split at "
        "the boundaries of hours and days, and its means over 7 and 28 days are over calendar days, silent ones "
        "included.",
    ),
    "estimate": (
        "Estimate",
        "What the Web API reports has no length of play: it is taken as the track's length or, if shorter, the time "
        "since the play before, but at least 30 seconds.",
    ),
    "listen": (
        "Listen",
        "A play of at least 30 seconds: the unit of every count.",
    ),
    "ranking": (
        "Ranking",
        "By listens, then listening time, then the earliest first listen. Music only.",
    ),
    "artist": (
        "Artist",
        "A track's primary artist. Tracks whose artist is unknown count in totals only.",
    ),
    "recording": (
        "Recording",
        "A song, whichever release it was played from: by ISRC, else by title and artist.",
    ),
    "day": (
        "Day with music",
        "A local date with at least one listen, of anything; out of the days of which something is known.",
    ),
    "local-time": (
        "Local time",
        "The listener's own clock at that instant, daylight saving and journeys included.",
    ),
    "session": (
        "Session",
        "Plays with no pause of more than 20 minutes between them, with at least one listen. It belongs to the local "
        "date on which it starts.",
    ),
    "skip": (
        "Skip",
        "Ended by a skip button before 30 seconds and, where the track's length is known, before half of it. The rate "
        "is over the plays for which this can be decided; the bars are its 95 % Wilson interval.",
    ),
    "discovery": (
        "Discovery, returning, rediscovery, lapsed",
        "A discovery is the first listen of an artist in the known history. A later listen is returning if the one "
        "before is under 180 days ago; else a rediscovery after at least three earlier listens, and lapsed after "
        "fewer. In the first 90 days, what is new may be new only to the data.",
    ),
    "conversion": (
        "A discovery that stuck",
        "At least three listens of the artist, the first included, on at least two local dates within 30 days. "
        "Discoveries of the first 90 and the last 30 days are not judged.",
    ),
    "retention": (
        "Retention",
        "Of the artists discovered in a month, the share heard again k months later. Months of discovery in the first "
        "90 days are left out.",
    ),
    "loyalty": (
        "Loyalty",
        "Months with a listen ÷ calendar months from the discovery to now, both counted; given at least three such "
        "months and three listens.",
    ),
    "forgotten": (
        "Forgotten favourite",
        "A recording with at least 15 plays to its end, not heard for 180 days.",
    ),
    "repeat": (
        "Heard again",
        "A listen of a recording that was listened to in the 168 hours before.",
    ),
    "obsession": (
        "Obsession",
        "Five listens of one recording within 168 hours open one; it lasts until the recording rests for 14 days.",
    ),
    "through-the-day": (
        "Through the day",
        "Night 0–6, morning 6–12, afternoon 12–18, evening 18–24, local. How a part differs is the Jensen–Shannon "
        "divergence of the shares of its artists from those of the whole, in bits: 0 is the same, 1 is nothing in "
        "common. Parts with fewer than 50 listens are pale.",
    ),
    "weekend-lift": (
        "Weekdays against weekends",
        "An artist's share of the listens at weekends against that on weekdays, smoothed by half a listen; from 20 "
        "listens on. Listening time of music is per day, over all days of which something is known.",
    ),
    "genre": (
        "Genre",
        "Each listen weighs 1, split equally over the genres of its artists, so that shares add up to 100 %. Who says "
        "the genres, in this order: the listener, Spotify, MusicBrainz. Listens without a known genre are left out; "
        "what rests on less than half of the listening time is pale. At weekends and through the day, a genre is "
        "judged as an artist is.",
    ),
    "spotify-top": (
        "Spotify's tops",
        "As Spotify ranks them; its ranges are of about 4 weeks, 6 months and a year. They are held against the "
        "listener's own counts of the same days, ranked by listens. Rank-biased overlap says how alike two orders "
        "are, from 0 to 1; the first ten places decide most of it (p = 0.9).",
    ),
    "playlist": (
        "Playlist",
        "In the listener's library when that was last collected. A song counts as heard if the same recording was ever "
        "listened to, from wherever; that a listen was from the playlist is known of polled plays only.",
    ),
    "library": (
        "Liked songs",
        "Songs that are still liked, by the month (UTC) in which they were. One counts as heard if the same recording "
        "was ever listened to.",
    ),
    "audio-feature": (
        "Audio features",
        "Spotify's estimates of how a recording sounds, 0 to 1: energy, danceability, valence (how positive). Means "
        "are over listens of which they are known; hours with few of these are pale.",
    ),
    "diversity": (
        "Diversity",
        "Effective artists: 2 to the power of the Shannon entropy of the listening time over artists. As many "
        "artists, heard equally, would be as diverse.",
    ),
    "seasonality": (
        "Season",
        "Mean listening time per day of a month of the year ÷ that of all months. Only complete months count, and it "
        "takes two years.",
    ),
    "streak": (
        "Streak",
        "Consecutive local dates with at least one listen.",
    ),
    "milestone": (
        "Milestone",
        "The play that reached the number. It moves when history is completed.",
    ),
    "accounting": (
        "Rows",
        "Every row received is kept as a play, a duplicate of another, superseded by a richer source, or rejected as "
        "unreadable.",
    ),
    "pipeline": (
        "Runs",
        "What SpotiFriend itself did: polls, collections and rebuilds that worked for this listener, up to the run "
        "before this page. The cost is this listener's share of time, requests and queries on AWS, without storage.",
    ),
    "private": (
        "Private sessions",
        "Kept and flagged, but in no figure, unless the listener's settings say otherwise.",
    ),
    "start": (
        "Start of a play",
        "What the export says, else the end less the time played, which pauses and late reports can put off. Where "
        "two plays overlap, both count.",
    ),
}
"""A term and its meaning, by anchor."""
