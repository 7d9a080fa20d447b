"""Needles in haystacks in many languages, made for these tests: a handbook of a company.

Each set names topics, sentences that fill a text with talk on these topics, and needles: a question
and, on the line after it, the one sentence that answers it, in other forms of its words.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

PARAGRAPH: Final = 6  # sentences


@dataclass(frozen=True, slots=True)
class Case:
    """A text, a question, and the sentence of the text that answers it."""

    language: str
    text: str
    question: str
    needle: str


@dataclass(frozen=True, slots=True)
class Set:
    """The material of one language; ``space`` stands between sentences.

    ``echo`` is a sentence that repeats a question and does not answer it.
    """

    topics: str
    fillers: str
    echo: str
    needles: str
    space: str = " "

    def cases(self, language: str, seed: int = 0) -> list[Case]:
        """A case for each question; all questions and needles stand in every text as well."""
        lines = self.needles.strip().splitlines()
        questions, needles = lines[::2], lines[1::2]
        talk = [
            filler.format(topic.strip(), month=1 + (7 * n + 3 * m) % 12, number=11 + 13 * n + 5 * m)
            for n, topic in enumerate(self.topics.split(","))
            for m, filler in enumerate(self.fillers.strip().splitlines())
        ]
        echoes = [self.echo.format(question) for question in questions]
        out = []
        for place, (question, needle) in enumerate(zip(questions, needles, strict=True)):
            sentences = [*talk, *echoes, *needles]
            random.Random(seed + place).shuffle(sentences)
            paragraphs = [
                self.space.join(sentences[at : at + PARAGRAPH])
                for at in range(0, len(sentences), PARAGRAPH)
            ]
            out.append(Case(language, "\n".join(paragraphs), question, needle))
        return out


CHINESE: Final = Set(
    topics="年假,报销,打印机,会议室,仓库,合同,服务器,食堂,班车,培训",
    fillers="""
关于{0}的安排，各部门在{month}月的例会上讨论过一次，但没有形成书面结论。
有{number}位同事对{0}提出了意见，行政部会在下个季度逐条答复。
{0}的相关表格已经更新，请大家从内部网站下载最新版本。
新来的同事常常问起{0}，老员工一般会耐心地向他们解释。
去年的问卷显示，大多数人对{0}比较满意，只有少数人希望改进。
负责{0}的小组本周更换了组长，联系方式可以在通讯录里查到。
如果对{0}还有疑问，请发邮件给行政部，通常两天之内会有回复。
第{number}期内部通讯里有一篇文章介绍了{0}的历史和变化。
""",
    echo="上周又有人在群里提出这个问题：{0}",
    needles="""
年假最多可以累积到第二年几天？
员工当年没有休完的年假可以结转五天，其余在三月底清零。
出差住酒店每晚能报多少钱？
住宿费按城市分级，一线城市的酒店每晚上限为六百元。
发票丢失了怎么办？
遗失发票的，须提交情况说明并由财务总监签字。
仓库的温度要保持在多少度？
药品仓库全年温度应控制在二至八摄氏度之间。
谁有权批准超过十万元的合同？
金额在十万元以上的合同一律由总经理审批。
服务器多久备份一次？
核心数据库每六小时自动备份，副本存放在南京机房。
食堂晚饭几点停止供应？
晚餐供应到七点半为止，周五提前半小时收摊。
班车从哪个地铁站出发？
早上的班车七点四十从龙阳路地铁站二号口发车。
试用期有多长？
新员工的试用期为三个月，表现突出者可以提前转正。
访客怎样连接无线网络？
来访客人可在前台领取当日有效的无线网络密码。
打印彩色文件要收费吗？
彩色打印每页从部门预算中扣除一元二角。
离职需要提前多少天通知？
正式员工辞职应当提前三十天书面通知人事部。
消防演习安排在什么时候？
全楼的消防演练定于每年十一月九日上午举行。
办公楼的空调夜间会关闭吗？
夜里十一点以后中央空调停止运行，加班请提前登记。
停车位怎么分配？
地下停车场的车位按工龄抽签，每半年轮换一次。
公司给员工买了什么保险？
除社会保险外，公司另为全体员工购买意外伤害险。
体检在哪家医院做？
今年的员工体检定点在仁和医院三楼体检中心。
密码过期的周期是多长？
系统登录密码每九十天到期，不得与前五次相同。
客户投诉必须多长时间内答复？
接到客户投诉后，客服应在四小时内给出首次答复。
产品的保修期是几年？
本公司的净水器整机保修两年，滤芯不在保修范围。
哪个部门管理印章？
公章由法务部专人保管，外借需两位副总同意。
实习生的补贴标准是什么？
在校实习生每天补贴一百八十元，按月发放。
会议室可以提前几周预订？
大会议室最早可提前两周预约，逾时十分钟自动取消。
项目延期的主要原因是什么？
经复盘，项目延误主要是芯片供应商迟迟没有交货。
新工厂建在哪座城市？
董事会决定把第二座工厂设在绵阳，预计明年投产。
GPU集群由谁维护？
GPU集群目前交给周婷带领的平台组负责维护。
退货的运费由谁承担？
质量问题引起的退货，往返运费全部由我方承担。
加班费如何计算？
法定节假日加班的，工资按平时的三倍计算。
培训证书的有效期到哪一年？
叉车操作证书在二〇二九年之前有效，之后要复训。
供应商的付款周期是多少天？
我们向供应商付款的账期为收到发票后四十五天。
图书角的书可以借多久？
图书角每人限借两本，借期三周，可续借一次。
""",
    space="",
)

JAPANESE: Final = Set(
    topics="有給休暇,経費精算,プリンター,会議室,倉庫,契約,サーバー,食堂,送迎バス,研修",
    fillers="""
{0}の運用については{month}月の定例会で話題になりましたが、結論は出ていません。
{number}名の社員が{0}について意見を寄せ、総務部が順番に回答する予定です。
{0}に関する書式が新しくなったので、社内サイトから入手してください。
新入社員は{0}のことをよく尋ねるので、先輩が丁寧に教えています。
昨年のアンケートでは、多くの人が{0}におおむね満足していると答えました。
{0}を担当するチームは今週からリーダーが交代しました。
{0}について不明な点は、総務部までメールでお問い合わせください。
社内報の第{number}号に、{0}の歩みを紹介する記事が載っています。
""",
    echo="先週の朝礼でも次の質問が出ました。{0}",
    needles="""
使い残した有給は翌年に何日繰り越せますか？
未消化の有給は五日まで翌年に繰り越すことができます。
出張の宿泊費の上限はいくらですか？
東京に泊まる場合、宿泊費は一泊一万二千円が上限です。
領収書をなくしたときはどうすればよいですか？
領収書を紛失した人は、理由書に課長の押印をもらいます。
冷蔵倉庫は何度に保たれていますか？
第二倉庫は薬品を置くため、常に四度以下に保っています。
高額な契約は誰が承認しますか？
一千万円を超える契約の承認は社長が行います。
データのバックアップはどこに保存されますか？
毎晩のバックアップは大阪のデータセンターに保存しています。
食堂の夕食は何時に終わりますか？
夕食の提供は午後七時半で終わり、金曜は早く閉まります。
送迎バスはどの駅から出ますか？
朝のバスは七時四十分に武蔵小杉駅の北口を出ます。
試用期間はどのくらい続きますか？
採用後の三か月間は試用期間とし、最大で半年まで延びます。
来客用のWi-Fiはどうやって使いますか？
来客は受付で当日限りのWi-Fiパスワードを受け取ります。
カラー印刷の料金を教えてください。
カラー印刷は一枚につき二十円が部署の予算から引かれます。
退職はいつまでに申し出る必要がありますか？
退職を希望する者は三十日前までに人事へ申し出ます。
避難訓練はいつ行われますか？
今年の避難訓練は十一月九日の午前中に行います。
夜間に空調は止まりますか？
空調は夜十一時に停止するので、残業する人は申請が必要です。
駐車場の割り当てはどう決まりますか？
地下駐車場の区画は半年ごとに抽選で割り当てています。
会社が加入している保険は何ですか？
社員全員が団体傷害保険に加入しており、掛金は会社が払います。
健康診断はどの病院で受けますか？
健康診断は駅前の若葉クリニックで受けていただきます。
パスワードはどれくらいの頻度で変更しますか？
ログイン用のパスワードは九十日ごとに変更してください。
苦情には何時間以内に返事をしますか？
お客様から苦情を受けたら、四時間以内に最初の返事をします。
浄水器の保証期間は何年ですか？
浄水器の保証は二年間で、フィルターは対象外です。
印鑑を管理しているのはどの部署ですか？
代表者の印鑑は法務課の金庫で管理しています。
インターンの日当はいくらですか？
インターン生には日当として九千円を月末に支払います。
大会議室は何週間前から予約できますか？
大会議室の予約は二週間前から受け付けています。
プロジェクトが遅れた原因は何でしたか？
プロジェクトの遅れは、半導体の納品が滞ったことによるものです。
新しい工場はどの町に建てられますか？
取締役会は新工場を熊本県菊陽町に建てると決めました。
GPUクラスターの保守担当は誰ですか？
GPUクラスターの保守は佐伯さんのチームが引き受けています。
返品の送料はどちらが負担しますか？
不良品の返品にかかる送料は当社が全額負担します。
休日出勤の割増率を知りたいです。
休日に出勤した場合、賃金は三割五分増しになります。
フォークリフトの資格はいつまで有効ですか？
フォークリフトの資格証は令和十一年まで有効です。
仕入先への支払いは何日後ですか？
仕入先には請求書の受領から四十五日後に支払います。
図書コーナーの本は何冊借りられますか？
図書コーナーでは一人二冊まで、三週間借りられます。
""",
    space="",
)

GERMAN: Final = Set(
    topics="Urlaub,Reisekosten,Drucker,Besprechungsraum,Lager,Vertragswesen,Server,Kantine,"
    "Pendelbus,Schulung",
    fillers="""
Das Thema {0} wurde in der Runde im Monat {month} kurz besprochen, ein Beschluss fiel aber nicht.
Zum Punkt {0} haben {number} Kolleginnen und Kollegen Hinweise gegeben, die noch geprüft werden.
Die Formulare zum Bereich {0} liegen in neuer Fassung auf der internen Seite bereit.
Neue Leute fragen oft nach dem Stichwort {0}, und die Älteren erklären es ihnen geduldig.
Laut der letzten Umfrage sind die meisten mit dem Bereich {0} zufrieden.
Die Gruppe für {0} hat seit dieser Woche eine neue Leitung, siehe Telefonliste.
Offene Fragen zu {0} beantwortet die Verwaltung per Mail innerhalb von zwei Tagen.
Im Rundbrief Nummer {number} steht ein Artikel über die Geschichte von {0}.
""",
    echo="In der Sprechstunde kam neulich wieder die Frage auf: {0}",
    needles="""
Wie viele Urlaubstage darf man ins nächste Jahr mitnehmen?
Nicht genommene Tage des Jahresurlaubs lassen sich bis Ende März übertragen, höchstens jedoch fünf.
Was wird für eine Übernachtung im Hotel erstattet?
Hotelübernachtungen werden bis zu 120 Euro erstattet, Frühstück geht extra.
Was tun, wenn eine Quittung verloren ging?
Für verlorene Quittungen genügt ein Eigenbeleg mit Unterschrift der Leitung.
Bei welcher Temperatur werden Medikamente gelagert?
Im Medikamentenlager herrschen ganzjährig Temperaturen zwischen zwei und acht Grad.
Wer genehmigt Verträge über hunderttausend Euro?
Verträgen ab hunderttausend Euro muss die Geschäftsführerin zustimmen.
Wie oft werden die Datenbanken gesichert?
Eine Datenbanksicherung läuft alle sechs Stunden und landet in Leipzig.
Bis wann gibt es Abendessen?
Die Ausgabe des Abendessens endet um halb acht, freitags schon um sieben.
An welchem Bahnhof fährt der Bus ab?
Morgens startet der Bus um 7:40 Uhr am Nordausgang des Bahnhofs Altona.
Wie lang ist die Probezeit?
Während der Probezeit von drei Monaten gilt eine verkürzte Kündigung.
Wie kommen Besucher ins WLAN?
Für Besucherinnen liegt am Empfang ein Tageskennwort zum WLAN-Zugang bereit.
Was kostet ein farbiger Ausdruck?
Farbausdrucke belasten das Budget der Abteilung mit zwölf Cent je Seite.
Welche Frist gilt bei einer Kündigung?
Die Kündigungsfrist beträgt für Festangestellte vier Wochen zum Monatsende.
Wann findet die Brandschutzübung statt?
Alle Stockwerke nehmen am 9. November vormittags an der Übung zum Brandschutz teil.
Wird die Klimaanlage nachts abgeschaltet?
Um 23 Uhr schalten sich die Klimaanlagen ab, wer länger bleibt, meldet sich an.
Nach welcher Regel werden Parkplätze vergeben?
Die Vergabe der Stellflächen zum Parken erfolgt halbjährlich per Los.
Welche Versicherung bezahlt die Firma?
Zusätzlich ist die Belegschaft über eine Unfallversicherung der Firma abgesichert.
Wo wird man ärztlich untersucht?
Die jährliche Untersuchung übernimmt die Betriebsärztin Frau Doktor Sommer in der Elbpraxis.
Wann läuft ein Passwort ab?
Passwörter verfallen nach neunzig Tagen und dürfen sich nicht wiederholen.
Wie schnell müssen Beschwerden beantwortet werden?
Eine Kundenbeschwerde erhält binnen vier Stunden die erste Antwort.
Wie lange gilt die Garantie des Wasserfilters?
Auf Wasserfiltergeräte geben wir zwei Jahre Garantie, Kartuschen ausgenommen.
Wer verwahrt das Siegel?
Verwahrt wird das Firmensiegel im Tresor der Rechtsabteilung.
Was verdienen Praktikanten am Tag?
Eine Praktikantin bekommt täglich neunzig Euro, ausgezahlt am Monatsende.
Wie früh lässt sich der große Saal reservieren?
Reservierungen des großen Saals nimmt das Sekretariat zwei Wochen im Voraus an.
Warum hat sich das Projekt verzögert?
Die Verzögerung des Projektes lag an ausgebliebenen Chips eines Zulieferers.
In welcher Stadt entsteht die neue Fabrik?
Als Standort des neuen Fabrikgebäudes hat der Vorstand Görlitz bestimmt.
Wer wartet den GPU-Cluster?
Um die Wartung des GPU-Clusters kümmert sich das Team von Jana Vogt.
Wer trägt das Porto bei Rücksendungen?
Bei einer Rücksendung wegen Mängeln tragen wir sämtliche Portokosten.
Wie hoch ist der Zuschlag an Feiertagen?
Feiertagsarbeit vergüten wir mit einem Zuschlag von 125 Prozent.
Bis wann gelten die Staplerscheine?
Jeder Staplerschein bleibt bis 2029 gültig, danach folgt eine Auffrischung.
Nach wie vielen Tagen werden Lieferanten bezahlt?
Lieferantenrechnungen bezahlen wir 45 Tage nach Eingang.
Wie viele Bücher kann man gleichzeitig ausleihen?
Die Ausleihe ist auf zwei Bücher je Person und drei Wochen begrenzt.
""",
)

FRENCH: Final = Set(
    topics="les congés,les frais,l'imprimante,la salle,l'entrepôt,les contrats,le serveur,"
    "la cantine,la navette,la formation",
    fillers="""
Le sujet «{0}» a été évoqué à la réunion du mois {month}, sans décision écrite.
Sur «{0}», {number} collègues ont donné leur avis et attendent une réponse.
Les formulaires de la rubrique «{0}» ont été mis à jour sur le site interne.
Les nouveaux posent souvent des questions sur «{0}», les anciens leur expliquent.
D'après l'enquête de l'an dernier, la plupart sont satisfaits du point «{0}».
L'équipe chargée du dossier «{0}» a changé de responsable cette semaine.
Pour toute question sur «{0}», écrivez à l'administration.
La lettre interne numéro {number} consacre un article au thème «{0}».
""",
    echo="La semaine passée, quelqu'un a encore demandé : {0}",
    needles="""
Qui doit signer les contrats importants ?
La signature d'un contrat de plus de cent mille euros revient à la directrice générale.
Combien de jours de congé peut-on reporter ?
Le report des congés non pris est limité à cinq jours avant fin mars.
Quelle somme est remboursée pour une nuit d'hôtel ?
Le remboursement des nuits d'hôtel est plafonné à 130 euros à Paris.
Comment les visiteurs accèdent-ils au réseau sans fil ?
Chaque visiteur reçoit à l'accueil un code sans fil valable un jour.
Quand les mots de passe expirent-ils ?
L'expiration du mot de passe intervient tous les quatre-vingt-dix jours.
Où sera construite la nouvelle usine ?
La construction de l'usine commencera à Valence dès le printemps.
Pourquoi le projet a-t-il été retardé ?
Le retard du projet vient d'une livraison de puces bloquée en douane.
À quelle heure part la navette du matin ?
Chaque matin, les navettes partent à 7 h 40 de la gare de Vaise.
Qui paie le renvoi d'un article défectueux ?
Pour les articles défectueux, nous payons intégralement le port du retour.
Combien de livres peut-on emprunter ?
L'emprunt est limité à deux livres par personne pendant trois semaines.
""",
)

SPANISH: Final = Set(
    topics="vacaciones,gastos,impresora,sala,almacén,contratos,servidor,comedor,autobús,formación",
    fillers="""
El tema «{0}» se trató en la reunión del mes {month}, pero no hubo acuerdo por escrito.
Sobre «{0}» opinaron {number} compañeros y la administración responderá pronto.
Los formularios del apartado «{0}» están actualizados en la página interna.
Los recién llegados preguntan mucho por «{0}» y los demás se lo explican.
Según la encuesta del año pasado, casi todos están contentos con «{0}».
El grupo encargado de «{0}» cambió de jefe esta semana.
Para dudas sobre «{0}», escriba a la administración.
El boletín número {number} dedica un artículo al asunto «{0}».
""",
    echo="La semana pasada alguien volvió a preguntar: {0}",
    needles="""
¿Quién firma los contratos de mayor importe?
La firma de un contrato superior a cien mil euros corresponde a la directora.
¿Cuántos días de vacaciones se pueden acumular?
Solo es posible la acumulación de cinco días de vacaciones hasta marzo.
¿Cuánto se reembolsa por una noche de hotel?
El reembolso por noche en hoteles llega como máximo a 110 euros.
¿Cómo se conectan los visitantes a la red inalámbrica?
Cada visitante recibe en recepción una clave inalámbrica válida un día.
¿Cuándo caducan las contraseñas?
Toda contraseña caduca a los noventa días y no debe repetirse.
¿Dónde se construirá la nueva fábrica?
La construcción de la fábrica empezará en Teruel en primavera.
¿Por qué se retrasó el proyecto?
El retraso del proyecto se debió a los chips que no entregó un proveedor.
¿A qué hora sale el autobús de la mañana?
Por la mañana los autobuses salen a las 7:40 de la estación de Chamartín.
¿Quién paga el envío de las devoluciones?
En una devolución por defecto, la empresa paga el envío completo.
¿Cuántos libros se pueden llevar en préstamo?
El préstamo está limitado a dos libros por persona y tres semanas.
""",
)

RUSSIAN: Final = Set(
    topics="отпуск,расходы,принтер,переговорная,склад,договоры,сервер,столовая,автобус,обучение",
    fillers="""
Тему «{0}» обсуждали на собрании в {month}-м месяце, но письменного решения не приняли.
По пункту «{0}» высказались {number} сотрудников, им скоро ответят.
Бланки раздела «{0}» обновлены и лежат на внутреннем сайте.
Новички часто спрашивают про «{0}», и старшие терпеливо объясняют.
По прошлогоднему опросу большинство довольно разделом «{0}».
У группы «{0}» на этой неделе сменился руководитель.
Вопросы по теме «{0}» отправляйте в администрацию по почте.
В бюллетене номер {number} напечатана статья на тему «{0}».
""",
    echo="На прошлой неделе снова прозвучал вопрос: {0}",
    needles="""
Кто подписывает крупные договоры?
Подписание договора на сумму свыше миллиона рублей остаётся за директором.
Сколько дней отпуска можно перенести?
Перенос неиспользованных дней отпуска разрешён, но не более пяти до марта.
Какую сумму возмещают за ночь в гостинице?
Возмещение гостиничных расходов составляет до шести тысяч за ночь.
Как гостям подключиться к беспроводной сети?
Гости получают на входе пароль беспроводной сети на один день.
Когда истекает срок действия паролей?
Пароль действует девяносто дней, после этого срок его истекает.
Где построят новый завод?
Строительство нового завода начнётся весной в Калуге.
Почему задержался проект?
Задержка проекта вызвана тем, что поставщик не привёз микросхемы.
Во сколько отправляется утренний автобус?
Утренние автобусы отправляются в 7:40 от станции Тушино.
Кто оплачивает возврат бракованного товара?
При возврате бракованных товаров пересылку полностью оплачиваем мы.
Сколько книг можно взять в библиотеке?
Библиотека выдаёт на руки по две книги на три недели.
""",
)

KOREAN: Final = Set(
    topics="휴가,경비,프린터,회의실,창고,계약,서버,식당,통근버스,교육",
    fillers="""
{0} 운영에 관해서는 {month}월 정례 회의에서 이야기했지만 결론은 나지 않았습니다.
직원 {number}명이 {0} 문제에 의견을 냈고 총무팀이 차례로 답변할 예정입니다.
{0} 관련 양식이 새로 바뀌었으니 사내 사이트에서 내려받으시기 바랍니다.
신입 사원들이 {0} 이야기를 자주 물어서 선배들이 친절하게 알려 줍니다.
작년 설문에 따르면 대부분이 {0} 상황에 만족한다고 대답했습니다.
{0} 담당 조는 이번 주에 조장이 바뀌었습니다.
{0} 문의는 총무팀 전자우편으로 보내 주십시오.
사보 제{number}호에 {0} 역사를 다룬 글이 실렸습니다.
""",
    echo="지난주 조회에서도 이런 질문이 나왔습니다: {0}",
    needles="""
큰 금액의 계약은 누가 승인하나요?
일억 원이 넘는 금액의 계약서는 대표이사가 승인합니다.
남은 휴가는 며칠까지 이월할 수 있나요?
쓰지 못한 휴가는 닷새까지 다음 해로 이월됩니다.
출장 숙박비는 얼마까지 나오나요?
서울 출장의 숙박비는 하룻밤 십이만 원이 한도입니다.
방문객은 무선 인터넷을 어떻게 쓰나요?
방문객에게는 안내 창구에서 하루짜리 무선 인터넷 암호를 드립니다.
비밀번호는 얼마나 자주 바꿔야 하나요?
로그인 비밀번호를 구십 일마다 바꾸지 않으면 접속이 막힙니다.
새 공장은 어디에 짓나요?
이사회는 새 공장을 군산에 짓기로 의결했습니다.
프로젝트가 늦어진 까닭은 무엇인가요?
프로젝트 일정은 반도체 납품이 밀려서 늦어졌습니다.
아침 통근버스는 어느 역에서 출발하나요?
아침 버스는 일곱 시 사십 분에 판교역 삼 번 출구에서 출발합니다.
반품 배송비는 누가 부담하나요?
불량으로 반품하는 물건의 배송비는 회사가 모두 부담합니다.
도서실 책은 몇 권까지 빌릴 수 있나요?
도서실에서는 한 사람이 책을 두 권씩 빌려 갑니다.
""",
)

ARABIC: Final = Set(
    topics="الإجازات,المصروفات,الطابعة,القاعة,المستودع,العقود,الخادم,المطعم,الحافلة,التدريب",
    fillers="""
نوقش موضوع {0} في اجتماع الشهر {month} دون قرار مكتوب.
أبدى {number} موظفا رأيهم في {0} وسترد عليهم الإدارة قريبا.
نماذج قسم {0} محدثة ومتاحة في الموقع الداخلي.
يسأل الجدد كثيرا عن {0} ويشرح لهم الزملاء بصبر.
بحسب استطلاع العام الماضي فإن الأغلبية راضية عن {0}.
تغير مسؤول فريق {0} هذا الأسبوع.
للاستفسار عن {0} راسلوا الإدارة بالبريد.
في النشرة رقم {number} مقال عن تاريخ {0}.
""",
    echo="طرح أحدهم هذا السؤال مجددا في الأسبوع الماضي: {0}",
    needles="""
من يوقع العقود الكبيرة؟
كل عقد كبير تزيد قيمته على مليون يوقع عليه المدير العام.
كم يوما من الإجازة يمكن ترحيله؟
ترحيل الإجازة غير المستعملة مسموح في حدود خمسة أيام.
كم تعوض الشركة عن الليلة في الفندق؟
تعويض الفنادق لا يتجاوز أربعمئة ريال عن كل ليلة.
كيف يتصل الزوار بالشبكة اللاسلكية؟
يستلم الزائر عند الاستقبال رمز الشبكة اللاسلكية ليوم واحد.
متى تنتهي صلاحية كلمات المرور؟
صلاحية كلمة المرور تسعون يوما ولا يجوز تكرارها.
أين سيبنى المصنع الجديد؟
قرر المجلس أن يكون موقع المصنع الجديد في مدينة ينبع.
لماذا تأخر المشروع؟
سبب تأخر المشروع أن المورد لم يسلم الرقائق.
متى تنطلق الحافلة الصباحية؟
في الصباح تنطلق الحافلات عند السابعة وأربعين دقيقة من محطة العليا.
من يتحمل أجرة إرجاع البضاعة المعيبة؟
عند إرجاع بضاعة معيبة نتحمل نحن أجرة الشحن كاملة.
كم كتابا يمكن استعارته من المكتبة؟
تسمح المكتبة باستعارة كتابين لكل شخص مدة ثلاثة أسابيع.
""",
)

SETS: Final = {
    "chinese": CHINESE,
    "japanese": JAPANESE,
    "german": GERMAN,
    "french": FRENCH,
    "spanish": SPANISH,
    "russian": RUSSIAN,
    "korean": KOREAN,
    "arabic": ARABIC,
}
