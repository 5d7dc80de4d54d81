"""English, Hindi and Hinglish brought to one plain vocabulary, on which the rules can work."""

import re
import unicodedata
from typing import Literal

type Language = Literal["english", "hindi", "hinglish"]

DEVANAGARI = re.compile(r"[\u0900-\u097f]")
HINGLISH = re.compile(
    r"\b(hai|hain|mera|meri|mere|mujhe|chahiye|dikhao|dikha|dikhaiye|karo|kar|karna|kya|kahan|kaha"
    r"|kitna|kitne|kitni|daal|daalo|dalo|hatao|hata|nikalo|batao|bata|wala|wali|sasta|saste|sasti"
    r"|aur|mein|ka|ki|ke|ko|kab|kaise|pehla|pehli|dusra|dusri|doosra|doosri|tokri|bikri|bhejna"
    r"|nahi|haan|namaste|dhanyavad|shukriya|kaun|konsa|kaunsa|wapas|vapas|paise|hafte|mahine)\b"
)

# the plain word and what is said for it; Devanagari is split at blanks, so that a word may be exact
PLAIN = {
    "show": "dikhao dikha dikhaiye dikhana dekhna dekho दिखाओ दिखा दिखाइए दिखाइये दिखाना देखना",
    "want": "chahiye chaiye चाहिए चाहिये",
    "find": "dhundo dhoondo khojo ढूंढो ढूँढो खोजो search",
    "tell": "batao bata bataiye बताओ बता बताइए बताइये",
    "add": "daalo dalo daal daaldo daliye jodo डालो डाल डालिए जोड़ो जोड़ जोड़ें",
    "remove": "hatao hata hataiye nikalo nikal निकालो निकाल हटाओ हटा हटाइए delete drop",
    "change": "badlo badal badaliye badalna बदलो बदल बदलना बदलिए update",
    "cancel": "radd रद्द कैंसल कैंसिल cancle",
    "order": "ऑर्डर आर्डर",
    "orders": "ऑर्डर्स ऑर्डरों",
    "place": "mangwao mangao मंगवाओ मँगवाओ मंगाओ खरीदो खरीदना kharido kharidna",
    "compare": "tulna तुलना मुकाबला",
    "where": "kahan kaha kidhar कहाँ कहां किधर",
    "howmuch": "kitna kitne kitni कितना कितने कितनी",
    "what": "kya क्या",
    "when": "kab कब",
    "my": "mera meri mere apna apni apne मेरा मेरी मेरे अपना अपनी अपने",
    "and": "aur और",
    "cart": "tokri jhola कार्ट टोकरी थैला थैले basket trolley",
    "address": "pata पता पते एड्रेस",
    "cheap": "sasta saste sasti सस्ता सस्ते सस्ती cheapest cheaper",
    "return": "wapas vapas wapsi lautana वापस वापसी लौटाना returns",
    "refund": "paise paisa पैसे पैसा रिफंड refunds refunded",
    "delivery": "डिलीवरी डिलिवरी deliver delivered shipping",
    "payment": "bhugtan भुगतान पेमेंट pay",
    "policy": "niyam नियम policies rule rules",
    "time": "samay samai समय",
    "days": "din दिन",
    "today": "aaj आज",
    "yesterday": "kal कल",
    "week": "hafte hafta saptah हफ्ते हफ़्ते हफ्ता सप्ताह",
    "month": "mahine mahina महीने महीना",
    "last": "pichle pichla pichli पिछले पिछला पिछली",
    "sales": "bikri bika biki बिक्री बिका बिकी sale revenue kamai कमाई turnover earnings",
    "low": "kam कम",
    "left": "bacha bache bachi बचा बचे बची",
    "ship": "bhejna bhejne bhejo bhej भेजना भेजने भेजो भेज",
    "shipped": "भेजा भेजी भेजे bheja dispatched",
    "yes": "haan han haanji हाँ हां confirm confirmed yep yeah",
    "thanks": "dhanyavad dhanyawad shukriya धन्यवाद शुक्रिया thank",
    "hello": "namaste namaskar नमस्ते नमस्कार hi hey",
    "details": "jankari vivaran जानकारी विवरण detail",
    "first": "pehla pehli pehle पहला पहली पहले 1st",
    "second": "dusra dusri dusre doosra doosri doosre दूसरा दूसरी दूसरे 2nd",
    "third": "teesra teesri tisra tisri तीसरा तीसरी 3rd",
    "fourth": "chautha chauthi चौथा चौथी 4th",
    "fifth": "paanchva panchva पांचवां पाँचवां पांचवी 5th",
    "final": "aakhri akhri आखिरी",
    "it": "ise isko use usko yeh ye इसे इसको उसे यह ये this that these those them",
    "1": "ek एक one",
    "2": "दो two",
    "3": "teen तीन three",
    "4": "chaar char चार four",
    "5": "paanch panch पांच पाँच five",
    "6": "chhe chhah छह छः six",
    "7": "saat सात seven",
    "8": "aath आठ eight",
    "10": "das दस ten dozen",
    "rupees": "rupaye rupay rupee rs inr ₹ रुपये रुपए रुपया",
    "under": "below within upto maximum max",
    "over": "above minimum min",
    # the shelves
    "honey": "shahad shehad शहद",
    "rice": "chawal chaawal चावल",
    "basmati": "बासमती",
    "milk": "doodh dudh दूध",
    "atta": "aata आटा",
    "dal": "दाल",
    "oil": "tel तेल",
    "tea": "chai चाय",
    "coffee": "कॉफी कॉफ़ी",
    "sugar": "cheeni chini चीनी",
    "salt": "namak नमक",
    "potato": "aloo alu आलू potatoes",
    "onion": "pyaz pyaaz pyaj प्याज प्याज़ onions",
    "tomato": "tamatar टमाटर tomatoes",
    "apple": "seb सेब apples",
    "banana": "kela kele केला केले bananas",
    "mango": "aam आम mangoes",
    "eggs": "anda ande अंडा अंडे egg",
    "butter": "makkhan makhan मक्खन",
    "paneer": "पनीर",
    "curd": "dahi दही",
    "ghee": "घी",
    "turmeric": "haldi हल्दी",
    "chilli": "mirch mirchi मिर्च मिर्ची chili",
    "cumin": "jeera zeera जीरा",
    "coriander": "dhaniya dhania धनिया",
    "biscuits": "biskut बिस्कुट biscuit",
    "bread": "ब्रेड",
    "soap": "sabun साबुन",
    "semolina": "suji sooji सूजी",
    "gram flour": "besan बेसन",
    "ginger": "adrak अदरक",
    "garlic": "lahsun लहसुन",
    "lemon": "nimbu नींबू",
    "orange": "santra संतरा oranges",
    "carrot": "gajar गाजर carrots",
    "spinach": "palak पालक",
    "cauliflower": "gobhi gobi गोभी",
    "almonds": "badam बादाम almond",
    "cashews": "kaju काजू cashew",
    "mustard": "sarson सरसों",
    "coconut": "nariyal नारियल",
    "water": "paani pani पानी",
    "chocolate": "चॉकलेट chocolates",
    "shampoo": "शैम्पू शैंपू",
}
PLAIN_OF = {word: plain for plain, words in PLAIN.items() for word in words.split()}

# said before words are looked at one by one
PHRASES = (
    (r"\b(last|latest) one\b|आखिरी वाला|\baakhri wala\b", "final"),
    (r"\b(first|second|third|fourth|fifth|which|this|that|other) one\b", r"\1"),
    (r"\b(?:dal|daal)\s+(?:do|dijiye|dena|de)\b", "daal"),
    (r"\b(kar|de|hata|nikal|bata|dikha|bhej|badal|rakh|laga)\s+(?:do|dijiye|dena)\b", r"\1"),
    (r"(डाल|कर|दे|हटा|निकाल|दिखा|बता|भेज|बदल|रख|जोड़|लगा)\s+(?:दो|दीजिए|दीजिये|दें)(?!\S)", r"\1"),
    ((r"(\d+)\s*(rupaye|rupay|rupees?|rs\.?|₹|रुपये|रुपए)?\s*(se kam|tak|ke andar|ke neeche|ke niche"
     r"|से कम|तक|के अंदर|के नीचे|or less)"), r" under \1 "),
    ((r"(\d+)\s*(rupaye|rupay|rupees?|rs\.?|₹|रुपये|रुपए)?\s*(se zyada|se upar|से ज़्यादा|से ज्यादा"
     r"|से ऊपर|or more)"), r" over \1 "),
    (r"\b(less|cheaper|lower) than\b|\bup to\b|\bnot more than\b", " under "),
    (r"\bmore than\b|\bat least\b", " over "),
    (r"\bhow (much|many)\b", " howmuch "),
    (r"\bcheck\s?out\b", " checkout "),
    (r"\border (karo|kar|karna|karein|kijiye|place)\b|ऑर्डर कर", " checkout "),
    (r"\b(sabse|सबसे)\s*(zyada|jyada|ज़्यादा|ज्यादा)|सबसे (ज़्यादा|ज्यादा)", " top "),
    (r"\bsabse kam\b|सबसे कम", " slow "),
    (r"\bkam stock\b|\bstock kam\b|कम स्टॉक|स्टॉक कम", " low stock "),
)  # fmt: skip
FILLERS = frozenset(
    """
    a an the of to in on at for from with by is are was be am it its i me we us you your please
    some any there do does did can could would will shall should let lets give get have has had
    need like just also too so as that this these those one ones piece pieces pack packs packet
    packets bag bags bottle bottles unit units kind type available today now ok okay hello yes
    ka ke ki ko hai hain ho mein main mai me se par pe to bhi na ji bhai woh wo mujhe mujhko hume
    kuch koi karo kar karna kijiye karein do dijiye dena de wala wali wale laga lagao rakh rakho
    का के की को है हैं हो में से पर तो भी ना न जी मुझे मुझको वह वो कुछ कोई करो कर करना कीजिए करें
    पैकेट पैकिट दो दे दीजिए देना दें वाला वाली वाले लगा मैं हमें ज़रा था गया एक
    show want find tell add remove change cart my and what which where when howmuch cheap under
    over between rupees price cost costs item items product products anything something about
    looking look look-for search put buy good best nice quality stock order list more
    shop store sell sells selling first second third fourth fifth final it quantity make set keep
    instead only into out up here take number milega milegi milenge मिलेगा मिलेगी मिलेंगे
    """.split()  # noqa: SIM905 - a text of words is easier to read than a list of strings
)
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "final": -1}
MEASURES = r"(?:kg|g|gm|gram|grams|l|ltr|litre|litres|ml)"


def language_of(text: str) -> Language:
    """In which an answer is expected."""
    if DEVANAGARI.search(text):
        return "hindi"
    return "hinglish" if len(HINGLISH.findall(text.lower())) >= 1 else "english"


def plain(text: str) -> str:
    """`do packet chawal cart mein daal do` as `2 packet rice cart mein add`."""
    said = unicodedata.normalize("NFC", text).lower()
    said = "".join(str(unicodedata.digit(mark, mark)) if mark.isdigit() else mark for mark in said)
    hinglish = language_of(text) != "english"
    for pattern, replacement in PHRASES:
        said = re.sub(pattern, replacement, said)
    words = re.findall(r"[^\s,.;:!?\"“”।()]+", re.sub(r"(?<=\d),(?=\d{3})", "", said))
    if hinglish:
        words = ["2" if word == "do" else word for word in words]
    return " ".join(PLAIN_OF.get(word, word) for word in words)


def product_words(said: str) -> str:
    """What is left of a plain sentence when it was about a product: the product."""
    said = re.sub(r"\b(under|over)\s+(rupees\s+)?\d+(\s+rupees)?", " ", said)
    said = re.sub(r"\bbetween\s+(rupees\s+)?\d+\s+and\s+(rupees\s+)?\d+", " ", said)
    said = re.sub(rf"(?<!\S)-?\d+\b(?!\s*{MEASURES}\b)", " ", said)
    words = (word for word in said.split() if word not in FILLERS)
    return " ".join(word for word in words if any(mark.isalnum() for mark in word))


def price_limits(said: str) -> dict[str, float]:
    """`min_price` and `max_price`, where they were said."""
    if between := re.search(r"between\s+(?:rupees\s+)?(\d+)\s+and\s+(?:rupees\s+)?(\d+)", said):
        return {"min_price": float(between[1]), "max_price": float(between[2])}
    limits = {}
    if under := re.search(r"\bunder\s+(?:rupees\s+)?(\d+)", said):
        limits["max_price"] = float(under[1])
    if over := re.search(r"\bover\s+(?:rupees\s+)?(\d+)", said):
        limits["min_price"] = float(over[1])
    return limits


def position(said: str) -> int | None:
    """Which one of a list is meant: counted from 1, or -1 for the last."""
    if number := re.search(r"(?:\bnumber|\bno|#)\s*(\d+)\b", said):
        return int(number[1])
    return next((at for word, at in ORDINALS.items() if re.search(rf"\b{word}\b", said)), None)


def positions(said: str) -> list[int]:
    """All that are meant, as in `compare the first and the third`."""
    named = re.findall(rf"\b({'|'.join(ORDINALS)})\b", said)
    return [ORDINALS[word] for word in named] or [int(n) for n in re.findall(r"\b([1-9])\b", said)]


def quantity(said: str) -> int | None:
    """How many, if that was said: a number that is no price, no weight and no position."""
    said = re.sub(r"(?:\bnumber|\bno|#)\s*\d+\b", " ", said)
    said = re.sub(r"\b(under|over)\s+(rupees\s+)?\d+", " ", said)
    found = re.search(rf"(?<!\S)(-?\d+)\b(?!\s*{MEASURES}\b)", said)
    return int(found[1]) if found else None
