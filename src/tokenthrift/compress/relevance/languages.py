"""Closed classes of words by language, and which language a text is in.

Lists of words that carry no topic in a question, and a count of them; no models. Only the language
of words in Latin letters is asked for: other scripts tell by themselves.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT: Final = "english"
SAMPLE_WORDS: Final = 400  # of a text; its language does not show better in more

# Function words and words of asking, case-folded. Names are those of the Snowball stemmers.
_CLOSED_CLASSES: Final = {
    "english": """
a about all also am an and any are as at be been being but by can could did do does doing for from
get give had has have having he her here hers him his how i if in into is it its just me more most
my no nor not of on only or other our out over own please same she should so some such tell than
that the their them then there these they this those through to too under until up us very was we
were what when where which while who whom whose why will with would you your
""",
    "german": """
ab aber alle allem allen aller alles als also am an ander andere anderen anderer auch auf aus bei
beim bin bis bist bitte da dabei dafür damit dann daran darauf daraus darf das dass davon dazu dem
den denn der deren des dessen dich die dies diese diesem diesen dieser dieses dir doch dort du
durch ein eine einem einen einer eines er es etwa etwas euch euer eure für gegen gibt hab habe
haben hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist
ja jede jedem jeden jeder jedes jene jetzt kann kein keine keinen können könnte man manche mein
meine mich mir mit muss müssen nach nicht noch nun nur ob oder ohne sagen sehr sein seine seinem
seinen seiner selbst sich sie sind so soll sollen sollte sondern sonst über um und uns unser
unsere unter viel viele vom von vor wann war waren warum was weil welche welchem welchen welcher
welches wem wen wenn wer werden weshalb wessen wie wieder wieso wieviel will wir wird wo wobei
wodurch wofür woher wohin womit woran worauf woraus wovon wozu wurde wurden während zu zum zur
zwar zwischen
""",
    "french": """
a afin ai alors après as au aucun aucune aussi autre autres aux avait avant avec avez avoir avons
c car ce ceci cela celle celles celui ces cet cette ceux chaque chez ci combien comme comment d
dans de depuis des dès dont du elle elles en encore entre est et étaient était été être eu eux
fait faut furent fut il ils j je jusqu jusque l la laquelle le lequel les lesquelles lesquels leur
leurs lors lui m ma mais me même mes moi mon n ne ni nos notre nous on ont où ou par parce pas
pendant peu peut peuvent plus pour pourquoi puis qu quand que quel quelle quelles quels qui quoi s
sa sans se sera ses si soit son sont sous sur t ta te tes toi ton tous tout toute toutes très tu
un une va vers veut vos votre vous y
""",
    "spanish": """
a al algo algún alguna algunas alguno algunos ante antes aquel aquella aún aunque bajo cada como
cómo con contra cual cuál cuales cuáles cuando cuándo cuanta cuánta cuantas cuántas cuanto cuánto
cuantos cuántos de del desde después donde dónde durante e el él ella ellas ellos en entre era
eran eres es esa esas ese eso esos esta está están estaba estar estas este esto estos fue fueron
ha haber había han hasta hay he la las le les lo los más me mi mis mucho muy nada ni no nos
nosotros nuestra nuestro o os otra otras otro otros para pero poco por porque pues que qué quien
quién quienes se sea ser si sí sido sin sobre solo son su sus también tan te tiene tienen todo
toda todos todas tu tus un una unas uno unos usted ustedes y ya yo
""",
    "italian": """
a agli ai al alcuni alla alle allo anche ancora avere aveva c che chi ci ciascuno coi col come con
cosa cui d da dagli dai dal dalla dalle dallo degli dei del dell della delle dello di dopo dove e
è ed era erano essere fra fu furono gli ha hanno ho i il in io l la le lei li lo loro lui ma me
mentre mi mia mie mio ne negli nei nel nell nella nelle nello noi non nostra nostro o ogni oppure
per perché però più poi prima può qual quale quali quando quanta quante quanti quanto quella
quelle quelli quello questa queste questi questo s se sé senza si sia sono sopra sotto stata stato
su sua sue sugli sui sul sulla sulle suo suoi te ti tra tu tutta tutte tutti tutto un una uno v vi
voi
""",
    "portuguese": """
a à ao aos aquela aquele as às até cada com como contra da das de dela dele depois desde do dos
durante e é ela elas ele eles em entre era eram essa esse esta está este eu foi foram há isso isto
já lhe mais mas me mesmo meu minha muito na não nas nem no nos nós nossa nosso num numa o onde os
ou para pela pelas pelo pelos pode podem por porque qual quais quando quanta quantas quanto
quantos que quê quem são se sem ser será seu seus só sob sobre sua suas também te tem têm tinha
toda todas todo todos tu um uma você vocês
""",
    "dutch": """
aan al alle alleen als altijd andere ben bij daar dan dat de deze die dit doen door dus een en er
even geen ging had hadden heb hebben heeft hem het hier hij hoe hoeveel hun ik in is ja je jullie
kan kon kunnen maar me meer men met mij mijn moet moeten na naar niet niets nog nu of om omdat
onder ons onze ook op over te tegen toch toen tot uit uw van veel voor waar waarom wanneer want
waren was wat we wel welk welke werd werden wie wij wil worden wordt zal ze zich zij zijn zo
zonder zou zullen
""",
    "swedish": """
alla allt att av blev bli blir de dem den denna deras dess dessa det detta dig din dina ditt där
då efter ej eller en ett från för förut genom ha hade han hans har henne hennes hon honom hur hur
i icke ingen inom inte jag ju kan kunde med mellan men mig min mitt mot mycket måste ni nu när
någon något några och om oss på samma sedan sig sin sina sitt själv skall ska skulle som så till
under upp ut utan vad var vara varför varit varje vars vem vi vid vilka vilken vilket vår våra är
över
""",
    "danish": """
af alle alt anden at blev blive bliver da de dem den denne der deres det dette dig din disse dog
du efter eller en end er et for fordi fra før ham han hans har havde hende hendes her hos hun hvad
hvem hver hvilke hvilken hvilket hvis hvor hvordan hvorfor hvornår hun i ikke ind jeg kan kun
kunne man mange med meget men mig min mit mod må ned noget nogle nu når og også om op os over på
selv sig sin skal skulle som sådan så thi til ud under var ved vi vil ville vor være været
""",
    "norwegian": """
alle at av bare ble bli blir da de deg dem den denne der dere deres det dette di din disse du
eller en enn er et etter for fordi fra før ham han hans har hadde henne hennes her hos hun hva
hvem hver hvilke hvilken hvilket hvis hvor hvordan hvorfor i ikke inn ja jeg kan kom kun kunne man
mange med meg meget mellom men min mitt mot mye må ned noe noen nå når og også om opp oss over på
sa seg selv sin sitt skal skulle slik som så til ut uten var ved vi vil ville vår være vært
""",
    "finnish": """
ei eivät ennen että ettei ehkä en entä et he hän hänen ilman ja jo joka johon joiden joita jonka
jos joskus josta jota jotka joten kaikki kanssa keitä ketkä kenen keneltä koska kuin kuinka kuka
kun kuten me mihin mikä millainen milloin millä minkä minun minä missä mistä mitkä mitä monta
mukaan mutta myös ne niiden niin nyt näiden nämä olemme oli olivat olla on ovat paljonko saa sama
se sekä sen siitä siinä sillä sinä tai te tuo tämä tämän vaan vain vaikka voi
""",
    "hungarian": """
a abban ahol aki akik ami amely amelyek amikor az azok azon azt azután be csak de e ebben egy
egyes egyik el ennek erre és ez ezek ezen ezt fel ha hány hanem hogy hogyan hol honnan hová igen
ill így is ki kell kik le lehet lesz más meg mely melyik mennyi mert mi miért míg mikor milyen
mind minden mint mit nagyon ne nem nincs ők olyan ott össze saját sem semmi ő s és szerint által
után úgy vagy van vannak volt voltak
""",
    "romanian": """
a acea aceasta această acest acesta aceste acestea al ale am ar are au ca că câți câte cât ce cel
cea cei cele cine când cu cui cum da dar de deci despre din dintre după el ea ei ele era este eu
fi fie fost fără îi în între își la lor lui mai mult ne nici noi nu o ori pe pentru prin printr sa
sau să se sunt spre și te toate tot toți tu un una unde unei unui voi vor
""",
    "turkish": """
acaba ama ancak bana bazı belki ben bir biri birkaç biz bu buna bunda bunu bunun çok çünkü da daha
de defa diye eğer en gibi göre hangi hem hep hepsi her hiç için ile ise kaç kadar ki kim kime
kimin mı mi mu mü nasıl ne neden nedir nerede nereye niçin niye o olan olarak olduğu on ona onlar
onu onun sen siz sonra şey şu tüm ve veya ya yani
""",
    "polish": """
a aby ale albo am ani bardzo bez bo by był była było były być bym co czy dla do gdy gdzie go i ich
ile im ja jak jaka jaki jakie jako je jego jej jest jestem jeszcze jeśli już każdy kiedy kogo
która które którego której który których którzy kto ku lub ma mają mnie może na nad nam nas nasz
nie nich nie nim niż o od on ona one oni ono oraz po pod poza przed przez przy są się skąd tak
także tam te tego tej ten to tu tych tylko tym u w we więc wszystkie z za ze że
""",
    "czech": """
a aby ale ani až bez bude budou by byl byla bylo byly být co či do ho i jak jaká jaké jako jaký je
jeho jejich její jen ještě ji jsem jsme jsou k kam kde kdo kdy když ke která které který kteří
kolik má mají mezi mi na nad nebo než není o od po pod podle pro proč proto před při s se si své
svůj ta tak také tam tato té ten tento této to toho tohoto tom u už v ve však z za ze že
""",
    "indonesian": """
ada adalah agar akan aku anda apa apakah atau bagaimana bagi bahwa banyak beberapa berapa bisa
dalam dan dapat dari dengan di dia harus hingga ini itu jika juga kami kapan karena ke kepada kita
lebih maka mana mengapa mereka oleh pada para saat saja sampai sangat saya sebagai sebuah sedang
seperti serta siapa sudah telah tentang tersebut tidak untuk yang
""",
}

# Scripts that tell by themselves; their words are dropped whatever language a text is in.
_OTHER_SCRIPTS: Final = """
а без бы был была были было быть в вам вас ваш во вот все всего всех вы где да для до его ее если
есть еще же за и из или им их к как какая какие каких какой какого каком какую ко когда кого кому
который которая которое которые которых кто куда ли лишь между меня мне можно мой мы на над надо
нас наш не него нее нет ни них но ну о об однако он она они оно от откуда очень по под после потом
потому почему при про с сам свой себя со сколько такой там то того тоже только том ты у уже чего
чей чем что чтобы чье эта эти этим этих это этого этой этом этот я є і й та що як які який яка чи
від це цей для
αι αλλα αν αντι απο αυτα αυτεσ αυτη αυτην αυτο αυτοι αυτοσ αυτου αυτων για γιατι δε δεν εαν ειναι
εκει ενα ενασ ενω επι η ηταν θα κ και κατα κι μα με μετα μετα μεχρι μη μην μια μου να ο οι ολα
ομωσ οποια οποιο οποιοσ οπου οπωσ οταν οτι ου ποια ποιαν ποιεσ ποιο ποιοι ποιοσ ποιουσ ποσα ποσεσ
ποση ποσο ποσοι ποτε που πωσ προσ σασ σε στα στη στην στισ στο στον στουσ συ τα τησ τι τισ το τοι
τον του τουσ των υπο ωσ
أن إن أو أي أين إلى أم أما أنا أنت انه أنه أنها إذا ألا التي الذي الذين اللذان بعد بل بين تلك ثم
حتى حول حيث خلال ذلك سوف عن عند على عليه عليها غير ف فقط في فيه فيها قبل قد كان كانت كل كم كما كيف
لا لأن لدى لقد لكن لم لماذا لن له لها لو ليس ما ماذا متى مع من منذ منه منها نحن نعم هذا هذه هل هم
هنا هناك هو هي هؤلاء و وقد وكان ومن ولا وفي يكون تكون به بها ان الى این از به با که را در است برای
את אם אל או אין איך איפה אלה אני אנחנו אתה באיזה בין גם הוא היא הם הן הזה הזאת היה היו היתה זאת זה
יש כאשר כי כל כמה לא למה לפי מאוד מה מהו מהי מי מתי עד על עם רק של שלה שלו שלי שם
और का की के को से में है हैं था थी थे हो होता होती होते ने पर यह वह ये वे इस उस इन उन एक भी तक तो
ही या कि जो क्या कौन कब कहाँ कहां क्यों कैसे कितना कितने कितनी किस किसी किसने लिए साथ कर करना करने
किया गया गई गए जाता जाती जाते अपने अपनी अपना नहीं बाद द्वारा
"""


def _words(lists: str) -> frozenset[str]:
    return frozenset(lists.split())


STOP_WORDS: Final = {name: _words(lists) for name, lists in _CLOSED_CLASSES.items()}
OTHER_STOP_WORDS: Final = _words(_OTHER_SCRIPTS)
_LANGUAGES_OF: Final[dict[str, list[str]]] = {}
for _name, _closed in STOP_WORDS.items():
    for _word in _closed:
        _LANGUAGES_OF.setdefault(_word, []).append(_name)

# Scripts without spaces are indexed in pairs of characters: these stand for no topic in any place.
_CLOSED_STRINGS: Final = """
什么 什麼 怎么 怎麼 怎样 怎樣 多少 多久 多长 多長 哪里 哪裡 哪个 哪個 哪些 哪位 哪种 为什么 為什麼
如何 是否 我们 我們 你们 你們 他们 他們 它们 她们 这个 這個 那个 那個 这些 這些 那些 这里 那里
可以 以及 或者 但是 不过 因为 因為 所以 如果 虽然 一个 一個 一些 没有 沒有 关于 關於 什么时候
什麼時候 请问 請問 需要 应该 应当 已经 已經 还是 還是 就是 都是 也是 不是 其中 以后
と いつ です ます した して ている ました ません でした でしょう という について における において
によって による として ための ために ことが ことを のは のが のを には では とは からの への もの
よう ようになった ようです これ それ あれ この その あの どの どれ どこ いくつ いくら なに なぜ
どう どうして どのくらい どのような どれくらい どんな どちら ください から まで より ので のに
けど けれど しかし また および または ある いる なる できる れる られる せる させる ない なかった
あります います されます されました されています しました しています となっています なります
になります ですか ますか ましたか とき うち ほか だけ など
에서 에게 으로 까지 부터 입니다 습니다 합니다 했습니다 됩니다 되었습니다 있습니다 없습니다 하는
하고 하며 그리고 그러나 하지만 무엇 무엇인가요 언제 어디 어디서 누구 누가 어떤 어느 얼마 얼마나
어떻게 인가요 나요 하나요 되나요 입니까 습니까 합니까 이는 이며 대한 대해 위해 위한 따라 것은 것이
것을 하였다 되었다 한다 된다 있다
"""
_FUNCTION_CHARACTERS: Final = (
    "的了是在和与與及也都就吗嗎呢吧啊不我你他她它这這那有于於之其被把从從对對到向给給而且若则則很几幾为為谁誰"
    "はがをにへとでもやのかねよ은는이가을를의에와과도만"
)


def _pairs(strings: Iterable[str]) -> frozenset[str]:
    return frozenset(s[i : i + 2] for s in strings for i in range(max(1, len(s) - 1)))


CLOSED_PAIRS: Final = frozenset(
    chain(
        _pairs(_CLOSED_STRINGS.split()),
        _FUNCTION_CHARACTERS,
        (a + b for a in _FUNCTION_CHARACTERS for b in _FUNCTION_CHARACTERS),
    )
)


def language_of(question: Iterable[str], text: Iterable[str] = ()) -> str:
    """The language of a question's words in Latin letters, by its closed classes.

    Args:
        question: its words.
        text: words of what is asked about; a beginning is enough. Both count alike, so that a few
            words of a question do not decide against a text, nor a foreign text against them.

    Returns:
        A key of `STOP_WORDS`; `DEFAULT` where nothing tells.
    """
    shares = dict(_spoken("\n".join(question)))
    _add_shares(shares, "\n".join(islice(text, SAMPLE_WORDS)))
    return max(shares, key=shares.__getitem__)


@lru_cache(maxsize=64)
def _spoken(words: str) -> Mapping[str, float]:
    """By language the share of words of its closed classes; a question comes again at each turn."""
    shares = dict.fromkeys(STOP_WORDS, 0.0)
    _add_shares(shares, words)
    return shares


def _add_shares(shares: dict[str, float], words: str) -> None:
    sample = words.lower().split("\n")
    telling = Counter(filter(_LANGUAGES_OF.__contains__, sample))
    for word, times in telling.items():
        share = times / len(sample)
        for name in _LANGUAGES_OF[word]:
            shares[name] += share
