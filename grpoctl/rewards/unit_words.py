"""Which words are units, which are one unit, and which are no unit at all? The tables of `units`."""

# What may stand right behind a figure, and what may have a power; `18x` is algebra, and so is `18 x`.
_JOINED_WORDS = """
    m g s h l in ft yd mi km cm mm kg mg lb lbs oz ml hr hrs min mins sec mph kph kmh am pm st nd rd th kw kwh usd eur
    gbp rmb cents yr yrs pages people years days hours minutes dollars kb mb gb tb L W V
"""
JOINED = frozenset(_JOINED_WORDS.split())
# Words of one or two letters are letters of algebra, but for these.
_SHORT_WORDS = """
    m g s h l L W V a an in ft yd mi km cm mm kg mg lb oz ml dl cl hr mo wk yr am pm kw hz kb mb gb tb pt qt of at on
    up us bc ad tv pc cd ha sq cu
"""
SHORT = frozenset(_SHORT_WORDS.split())

# Words that make what follows a number prose in place of a unit.
_PROSE_WORDS = """
    or and not no nor is isn isnt isn't are was were be if but to than then maybe perhaps probably possibly about
    around approximately approx roughly nearly almost ish something unsure guess uncertain think thinks sure wrong
    right correct incorrect false true plus minus by from with without out except instead so since because i we you
    it he she they this that which what answer answers result equals equal pi sqrt sin cos tan log ln exp factorial
    squared cubed point choose over under mod root roots infinity inf nan ncr npr never neither nope none nothing
    cannot don't dont can't won't doesn't didn't know dunno idk hmm wait hardly likely unlikely hopefully presumably
    actually rather might could would should least most minimum maximum max negative below debt estimate estimated
    rounded respectively times divided fold hex octal once twice thrice doubled tripled trebled quadrupled halved
    kilo mega giga micro milli kilodollars megadollars mille permille ppm ppb bps basis mil mn bn alpha beta gamma
    delta epsilon theta lambda mu nu xi rho sigma tau phi chi psi omega abc xyz
"""
PROSE = frozenset(_PROSE_WORDS.split())
# 18 double rooms are a unit, and 18 double is none.
NEVER_LAST = frozenset({"a", "an", "sq", "cu", "bound", "double", "triple", "quadruple", "binary", "base"})
# In the singular.
_NUMBERS = """
    half halve third quarter dozen score gross lakh crore grand
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion
    fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth
    seventeenth eighteenth nineteenth twentieth thirtieth fortieth fiftieth hundredth thousandth millionth teen
"""
NUMBER_WORDS = frozenset(_NUMBERS.split())

# One unit a line, in the singular, as it is written in any unit that we make.
_SAME_UNITS = """
    inch in
    foot ft feet
    yard yd
    mile mi 英里
    km kilometer kilometre 公里 千米
    m meter metre 米 公尺
    cm centimeter centimetre 厘米 公分
    mm millimeter millimetre 毫米
    kg kilogram kilo 公斤 千克
    g gram gm 克
    mg milligram 毫克
    lb pound
    oz ounce
    l L liter litre 升
    ml milliliter millilitre 毫升
    hour h hr 小时
    minute min 分钟
    second s sec 秒 秒钟
    day 天
    week wk 周 星期
    month mo 个月
    year yr 年
    dollar usd buck 美元 美金
    euro eur 欧元
    cent ¢
    元 yuan rmb cny 块 块钱 元钱 人民币 元人民币
    ° degree 度
    °C ℃ 摄氏度
    °F ℉ 华氏度
    W watt
    V volt
    unit
"""
SAME = {word: line.split()[0] for line in _SAME_UNITS.strip().splitlines() for word in line.split()}
MONEY = frozenset({"dollar", "euro", "pound", "lb", "cent", "元"})  # £ and lb are both pounds

SIMPLIFIED = str.maketrans(
    "頁個隻張條雙塊時鐘週歲輛圓錢噸畝顆間題場書層聽幣點歐華積攝約對錯無沒滿於減數",
    "页个只张条双块时钟周岁辆元钱吨亩颗间题场书层听币点欧华积摄约对错无没满于减数",
)
