"""Words that belong to what follows them: articles, prepositions, conjunctions. A line breaks before them, not after.

Data: the commonest of each language, in lower case, by language code. A language that is not here has none.
"""

from __future__ import annotations

from types import MappingProxyType

_WORDS = {
    "en": "a an the and or but nor so because although though while if unless until when where which who whose what "
    "how that than as of to in on at by for from with without within into onto about over under between through during "
    "before after against among across behind beyond near since toward towards upon my your his her its our their",
    "de": "der die das den dem des ein eine einen einem einer eines und oder aber denn sondern weil dass obwohl wenn "
    "als ob während bevor nachdem damit in im an am auf aus bei beim mit nach von vom zu zum zur für durch gegen ohne "
    "um über unter vor hinter zwischen neben bis seit wegen trotz mein dein sein ihr unser kein keine keinen",
    "fr": "le la les un une des du de d et ou mais donc car ni que qui quand lorsque si comme parce puisque dont où "
    "à au aux en dans sur sous avec sans pour par chez vers entre depuis pendant contre avant après mon ma mes ton ta "
    "tes son sa ses notre nos votre vos leur leurs ce cet cette ces ne",
    "es": "el la los las un una unos unas y e o u pero sino ni que quien cuando donde porque aunque si como de del a "
    "al en con sin por para sobre entre desde hasta hacia contra durante según tras mi tu su mis tus sus no se",
    "it": "il lo la i gli le un uno una e ed o ma però né che chi quando dove perché se come di del dello della dei "
    "degli delle a al allo alla ai agli alle da dal dalla in nel nella nei con su sul sulla per tra fra senza mio mia "
    "tuo tua suo sua non",
    "pt": "o a os as um uma uns umas e ou mas nem que quem quando onde porque embora se como de do da dos das em no na "
    "nos nas por pelo pela para com sem sobre entre desde até contra meu minha seu sua não ao à",
    "nl": "de het een en of maar want dat omdat hoewel als toen terwijl wie die van in op aan bij met naar uit voor "
    "door over onder tussen tegen zonder tot om sinds mijn jouw zijn haar ons onze hun geen te",
    "pl": "i a oraz lub albo ale że bo gdy kiedy jeśli który która które w we z ze na do od po o u przy przez dla bez "
    "pod nad przed za między nie się",
    "ru": "и а но или да что чтобы если когда где потому как который которая которое которые в во на с со к ко у о об "
    "от до из за по под над при для без через перед между про не ни",
    "sv": "en ett den det de och eller men för att som när om där eftersom medan i på av till från med utan över under "
    "mellan genom före efter mot hos min din sin inte",
    "id": "dan atau tetapi tapi karena jika kalau ketika yang bahwa untuk di ke dari pada dengan tanpa dalam oleh "
    "antara seperti tidak",
    "tr": "ve veya ya ama fakat çünkü eğer bir bu şu o",
    "ar": "و أو ثم لكن لأن إذا عندما الذي التي أن إن في من إلى على عن مع بين بعد قبل حتى لا لم لن",
    "he": "או אבל כי אם כאשר אשר של את על אל עם בין לפני אחרי עד לא",
    "hi": "और या लेकिन मगर कि क्योंकि अगर जब जो",
}

LEANING = MappingProxyType({language: frozenset(words.split()) for language, words in _WORDS.items()})

TITLES = frozenset({"Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Sr", "Sra", "Gen", "Col", "Lt"})
"""What a point does not end a sentence after."""
