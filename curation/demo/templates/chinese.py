"""Traces in Chinese: shopping, weekdays, heads and feet, meeting on the way."""

# ruff: noqa: RUF001 - Chinese is written with full-width punctuation.

import re

from curation.demo.templates.draw import Draw, Trace

_NAMES = "小明", "小红", "小李", "小王", "丽丽", "阿强", "小芳", "大伟", "小雨", "佳佳"
_DAYS = "星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"
_GOODS = (
    ("铅笔", "支"),
    ("笔记本", "本"),
    ("苹果", "个"),
    ("橙子", "个"),
    ("面包", "个"),
    ("橡皮", "块"),
    ("毛巾", "条"),
)
_START = (
    "让我一步一步地想，不要着急。", "我们先把题目里已经知道的条件整理一下。", "我应该先看清楚这个问题到底问的是什么。",
    "这道题虽然不难，但是我们还是要细心一点。", "好的，我来仔细地分析一下这个问题应该怎么解决。",
    "在开始计算之前，我想先弄明白这道题的意思。",
)  # fmt: skip
_CHECK = (
    "让我检查一下。",
    "为了保险起见，我再验算一遍。",
    "这个结果对吗？我来验证一下。",
    "换个方法核对一下。",
)
_GAP = re.compile("(?<=[\u3000-\uffef]) | (?=[\u3000-\uffef])")


def _told(draw: Draw, prompt: str, reasoning: str, answer: str) -> Trace:
    """The trace, without the spaces that line ends leave in a script that has none."""
    told = draw.trace(prompt=prompt, reasoning=reasoning, answer=answer)
    return Trace(_GAP.sub("", told.prompt), _GAP.sub("", told.reasoning), _GAP.sub("", told.answer))


def change(draw: Draw) -> Trace:
    """Two kinds of goods, a note, the change."""
    name = draw.one(*_NAMES)
    (first, unit), (second, unit_second) = draw.some(_GOODS, 2)
    a, b, each_a, each_b = (draw.number(2, 9) for _ in range(4))
    cost_a, cost_b = a * each_a, b * each_b
    total = cost_a + cost_b
    note = next(value for value in (20, 50, 100, 200) if value > total)
    return _told(
        draw,
        f"""[{name}去商店买东西，买了{a}{unit}{first}和{b}{unit_second}{second}。{first}每{unit}{each_a}元，
        {second}每{unit_second}{each_b}元。{name}付了{note}元，应该找回多少钱？
        |商店里{first}每{unit}{each_a}元，{second}每{unit_second}{each_b}元。{name}带了{note}元，买了{a}{unit}{first}和
        {b}{unit_second}{second}，请问最后还剩下多少钱？]""",
        f"""{draw.one(*_START)}[{name}买了两种东西，所以要分别算出每种东西的价钱，然后再加起来。
        |如果想知道最后还剩下多少钱，那么必须先知道这些东西一共花了多少钱。]

        [首先看{first}：{a}{unit}，每{unit}{each_a}元，一共是{a} × {each_a} = {cost_a}元。
        |买{first}需要{a} × {each_a} = {cost_a}元。][然后看{second}：{b} × {each_b} = {cost_b}元。
        |接下来是{second}，{b}{unit_second}要付{b} × {each_b} = {cost_b}元。]

        [两种东西加在一起是{cost_a} + {cost_b} = {total}元。因为{total}小于{note}，所以钱是够的，剩下的钱是
        {note} - {total} = {note - total}元。
        |总价是{total}元，从{note}元里减去{total}元，得到{note - total}元。]

        {draw.one(*_CHECK)}把找回的{note - total}元和花掉的{total}元加起来，正好是{note}元，[没有问题。|和付的钱一样。]所以这个答案是可靠的。""",
        f"""[一共花了{total}元，所以应该还有{note - total}元。|答案是{note - total}元：{first}和{second}一共花了{total}元。]""",
    )


def weekday(draw: Draw) -> Trace:
    """The weekday some days from now."""
    name, today, days = draw.one(*_NAMES), draw.number(0, 6), draw.number(20, 300)
    weeks, rest = divmod(days, 7)
    then = _DAYS[(today + rest) % 7]
    event = draw.one("过生日", "去旅行", "参加比赛", "搬新家", "开始放假", "去看望奶奶")
    return _told(
        draw,
        f"""[今天是{_DAYS[today]}，再过{days}天{name}要{event}。请问那一天是星期几？
        |{name}说，从今天算起，{days}天以后要{event}。如果今天是{_DAYS[today]}，那么到时候是星期几？]""",
        f"""{draw.one(*_START)}[我们知道一个星期有七天，每过七天，星期几就会重复一次，所以这里的关键是看{
            days
        }除以7的余数是多少。
        |我不需要一天一天地数，因为每过七天就会回到同一个星期几，这样可以省下很多时间。]

        [{days}除以7等于{weeks}，余数是{rest}，因为7 × {weeks} = {7 * weeks}，而{days} - {7 * weeks} = {
            rest
        }。
        |{weeks}个完整的星期是{7 * weeks}天，还剩下{rest}天。]

        {
            f"余数是零，说明正好过了{weeks}个星期，所以那一天还是{then}。"
            if rest == 0
            else f"整个星期不会改变结果，所以我们只要从{_DAYS[today]}往后数{rest}天就可以了，数到的是{then}。"
        }

        {draw.one(*_CHECK)}{
            f"{weeks}乘以7等于{days}，没有剩余。"
            if rest == 0
            else f"从那一天倒着数{rest}天，应该回到{_DAYS[today]}，确实是这样，因此结果没有错。"
        }""",
        f"""[再过{days}天是{then}。|那一天是{then}，因为{days}除以7的余数是{rest}。]""",
    )


def heads_and_feet(draw: Draw) -> Trace:
    """Rabbits and chickens in one cage."""
    a, b = draw.number(3, 25), draw.number(3, 25)
    heads, feet = a + b, 4 * a + 2 * b
    place = draw.one("笼子里", "农场里", "院子里", "山坡上")
    large, small = draw.one(("兔子", "鸡"), ("羊", "鸭子"), ("小猪", "鹅"))
    return _told(
        draw,
        f"""[{place}有一些{large}和{small}，一共有{heads}个头和{feet}只脚。请问这里的{large}和{small}分别有多少只？
        |{place}养着{large}和{small}，数一数有{heads}个头，{feet}只脚。{large}有几只，{small}有几只？]""",
        f"""{draw.one(*_START)}[每只{large}有四只脚，每只{small}有两只脚，但是它们都只有一个头。
        |头的总数告诉我动物一共有{heads}只，脚的总数可以帮助我把两种动物分开。]

        [假设全部都是{small}，那么应该有{heads} × 2 = {2 * heads}只脚。|如果这{heads}只动物都是{small}，脚的数目就是
        {2 * heads}。]可是实际上有{feet}只脚，多出来{feet} - {2 * heads} = {feet - 2 * heads}只。

        [每把一只{small}换成一只{large}，就会多出两只脚，所以{large}的数目是{feet - 2 * heads} ÷ 2 = {a}只。
        |多出来的脚都是{large}的，每只{large}比{small}多两只脚，所以有{feet - 2 * heads} ÷ 2 = {a}只{large}。]
        剩下的{heads} - {a} = {b}只是{small}。

        {draw.one(*_CHECK)}{a} × 4 + {b} × 2 = {4 * a} + {2 * b} = {feet}，[和题目给出的数目一样，所以结果是正确的。|这说明我们的答案是正确的。]""",
        f"""[我们得到的答案是：{large}一共有{a}只，而{small}一共有{b}只。|一共有{a}只{large}和{b}只{small}，合起来正好是{feet}只脚。]""",
    )


def meeting(draw: Draw) -> Trace:
    """Two people walk towards each other."""
    first, second = draw.some(_NAMES, 2)
    slow, fast, time = draw.number(45, 60), draw.number(61, 80), draw.number(5, 30)
    distance = (slow + fast) * time
    return _told(
        draw,
        f"""[{first}和{second}的家相距{distance}米。两个人同时从自己家出发，面对面地走。{first}每分钟走{slow}米，
        {second}每分钟走{fast}米。几分钟以后他们会相遇？
        |一条路长{distance}米，{first}和{second}分别从路的两头同时出发，相向而行。{first}的速度是每分钟{slow}米，{second}的
        速度是每分钟{fast}米。他们要走多久才能见面？]""",
        f"""{draw.one(*_START)}[因为两个人是面对面走的，所以他们之间的距离每分钟都在变短。
        |重要的不是每个人走了多远，而是他们之间的距离缩短得多快。]

        [每过一分钟，距离就缩短{slow} + {fast} = {slow + fast}米。|他们的速度之和是每分钟{slow} + {fast} = {slow + fast}米。]
        [开始的时候距离是{distance}米，所以需要的时间是{distance} ÷ {slow + fast} = {time}分钟。
        |把{distance}米除以{slow + fast}，就得到{time}分钟。]

        {draw.one(*_CHECK)}{time}分钟里，{first}走了{slow * time}米，{second}走了{fast * time}米，加起来是{distance}米，
        [正好等于他们之间的全部路程，说明计算没有错误。|和题目说的一样，所以答案是对的。]""",
        f"""[他们在{time}分钟以后相遇。|{time}分钟以后他们会见面，那时{first}走了{slow * time}米，{second}走了{fast * time}米。]""",
    )


TEMPLATES = (change, weekday, heads_and_feet, meeting)
