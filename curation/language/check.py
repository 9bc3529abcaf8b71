# ruff: noqa: RUF001 - letters of other alphabets are the content
"""Texts on which a faster langdetect must answer as langdetect 1.0.9 does before it is trusted.

Each stands with the languages that langdetect lists, likeliest first, and their probabilities: by its own profiles in
byte order of their names, seed 0, sums taken from left to right in binary64. The texts reach what its parts do: its
normalisations (Latin-1, Romanian, Vietnamese, Farsi, CJK, kana, Hangul), capitals, addresses, Latin letters in other
scripts, repeated spaces, the cut at 10,000 characters, and texts so short or mixed that the draws decide.
"""

Answer = tuple[tuple[str, float], ...]

CHECKS: tuple[tuple[str, Answer], ...] = (
    (
        "The train leaves the station at nine and arrives before the rain begins.",
        (("en", 0.9999984328567705),),
    ),
    (
        "Der Zug verlässt den Bahnhof um neun und kommt an, bevor der Regen beginnt.",
        (("de", 0.999994658228334),),
    ),
    (
        "Le train quitte la gare à neuf heures et arrive avant que la pluie commence.",
        (("fr", 0.9999977060896863),),
    ),
    (
        "El tren sale de la estación a las nueve y llega antes de que empiece la lluvia.",
        (("es", 0.9999955674892984),),
    ),
    (
        "Il treno lascia la stazione alle nove e arriva prima che cominci la pioggia.",
        (("it", 0.9999977673148703),),
    ),
    ("O comboio sai da estação às nove e chega antes de a chuva começar.", (("pt", 0.9999962662914851),)),
    (
        "De trein verlaat het station om negen uur en komt aan voor de regen begint.",
        (("nl", 0.9999957268324057),),
    ),
    (
        "Tåget lämnar stationen klockan nio och kommer fram innan regnet börjar.",
        (("sv", 0.9999979374185933),),
    ),
    ("Toget forlader stationen klokken ni og ankommer, før regnen begynder.", (("da", 0.9999938513633972),)),
    ("Juna lähtee asemalta yhdeksältä ja saapuu ennen kuin sade alkaa.", (("fi", 0.9999981733809326),)),
    (
        "Pociąg odjeżdża ze stacji o dziewiątej i przyjeżdża, zanim zacznie padać deszcz.",
        (("pl", 0.9999972080332981),),
    ),
    ("Vlak odjíždí ze stanice v devět a přijede dříve, než začne pršet.", (("cs", 0.9999950425791504),)),
    (
        "A vonat kilenckor indul az állomásról, és megérkezik, mielőtt elered az eső.",
        (("hu", 0.9999978597339076),),
    ),
    (
        "Trenul pleacă din gară la ora nouă și ajunge înainte să înceapă ploaia; țara e mare.",
        (("ro", 0.9999975153770704),),
    ),
    ("Tren istasyondan saat dokuzda kalkar ve yağmur başlamadan önce varır.", (("tr", 0.9999982849948981),)),
    (
        "Kereta itu berangkat dari stasiun pukul sembilan dan tiba sebelum hujan turun.",
        (("id", 0.9999985397682383),),
    ),
    ("Tàu rời ga lúc chín giờ và đến nơi trước khi trời bắt đầu mưa.", (("vi", 0.9999995619884895),)),
    (
        "Ta\u0300u ro\u031b\u0300i ga lu\u0301c chi\u0301n gio\u031b\u0300 va\u0300 đến nơi trươ\u0301c khi mưa.",
        (("vi", 0.9999984072063637),),
    ),
    ("Поезд отходит от станции в девять и прибывает до начала дождя.", (("ru", 0.9999966622953508),)),
    ("Поїзд відходить від станції о дев’ятій і прибуває до початку дощу.", (("uk", 0.9999981184886912),)),
    ("Влакът тръгва от гарата в девет и пристига преди да започне дъждът.", (("bg", 0.9999975271988527),)),
    (
        "Το τρένο φεύγει από τον σταθμό στις εννέα και φτάνει πριν αρχίσει η βροχή.",
        (("el", 0.9999999941379711),),
    ),
    ("הרכבת יוצאת מהתחנה בתשע ומגיעה לפני שהגשם מתחיל.", (("he", 0.9999999822797725),)),
    ("يغادر القطار المحطة في الساعة التاسعة ويصل قبل أن يبدأ المطر.", (("ar", 0.9999974607177584),)),
    (
        "قطار ساعت نه ایستگاه را ترک می\u200cکند و پیش از آغاز باران می\u200cرسد.",
        (("fa", 0.9999997105267601),),
    ),
    ("ट्रेन नौ बजे स्टेशन से निकलती है और बारिश शुरू होने से पहले पहुँचती है।", (("hi", 0.9999971373908096),)),
    ("ট্রেন নয়টায় স্টেশন ছাড়ে এবং বৃষ্টি শুরু হওয়ার আগে পৌঁছায়।", (("bn", 0.9999999953366229),)),
    ("รถไฟออกจากสถานีเวลาเก้าโมงและมาถึงก่อนฝนตก", (("th", 0.9999991872505165),)),
    ("火车九点离开车站。我们在下雨之前到达。我们在那里等着朋友们。", (("zh-cn", 0.9999970089679538),)),
    (
        "火車九點離開車站。我們在下雨之前到達。我們在那裡等著朋友們。",
        (
            ("zh-tw", 0.7142860160282835),
            ("ko", 0.28571363089061025),
        ),
    ),
    ("列車は九時に駅を出て、雨が降り始める前に到着します。", (("ja", 0.9999993670511517),)),
    ("기차는 아홉 시에 역을 떠나 비가 오기 전에 도착합니다.", (("ko", 0.9999973938998663),)),
    ("no", (("tl", 0.9999958763654879),)),
    ("si no", (("it", 0.9999969441419714),)),
    ("Berlin 1990", (("de", 0.9999945127202899),)),
    (
        "das train est",
        (
            ("fr", 0.7142846614767757),
            ("pt", 0.28571528547591074),
        ),
    ),
    ("ok ok 火", (("sk", 0.999994607034763),)),
    ("a b c d e f", (("ca", 0.9999944392952591),)),
    (
        "THE TRAIN LEAVES THE STATION At Nine AND ARRIVES",
        (
            ("en", 0.5524782862062297),
            ("de", 0.4475217126111971),
        ),
    ),
    ("We know x² + y² = z², so Σ aᵢ ≤ ∫ f(x) dx → ∞ and ½·(α + β) = γ.", (("en", 0.9999966700936351),)),
    (
        "See https://example.org/ein/pfad?frage=antwort or write to ein.name@beispiel.example.org, der Zug ist da.",
        (
            ("en", 0.857140686299607),
            ("de", 0.14285697132831576),
        ),
    ),
    (
        "The answer 😀 is 火车站 in Chinese and вокзал in Russian 🚂, says the guide.",
        (("en", 0.999996779666737),),
    ),
    (
        "The train leaves at nine. Der Zug fährt um neun. Le train part à neuf heures.",
        (("fr", 0.9999969442215543),),
    ),
    (
        "Мы пишем def train(station): return nine и ждём, пока ничего не начнётся снова и снова и снова.",
        (("ru", 0.9999982648079271),),
    ),
    ("12345 67890", ()),
    ("3 + 4 = 7; 8 * 9 = 72", ()),
    ("∀∃∈∑", ()),
    (
        "The train leaves the station at nine. " * 200 + "Der Zug verlässt den Bahnhof um neun. " * 200,
        (("en", 0.9999966375638716),),
    ),
    ("a  b " * 1500 + "Tåget lämnar stationen. " * 400, (("hu", 0.9999953211295856),)),
)
