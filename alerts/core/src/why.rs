//! Why an event was decided, in Chinese. The engine writes one English sentence into an event, which stays as it is, byte for byte; this
//! reads it back by the forms that the engine uses (`geofence/engine/src`) and says the same, with the same figures. What is of no such
//! form (an event of another version or of another program) is not guessed at.

/// A sentence of the engine's in Simplified Chinese; `None`: it is none of the engine's.
pub fn in_chinese(sentence: &str) -> Option<String> {
    for (en, zh) in BEFORE {
        if let Some(rest) = sentence.strip_prefix(en) {
            return match rest {
                "" => Some(zh.to_owned()),
                rest => Some(format!("{zh}：{}", in_chinese(rest.strip_prefix(": ")?)?)),
            };
        }
    }
    let clauses = sentence.split("; ").map(clause).collect::<Option<Vec<_>>>()?;
    Some(clauses.join("；"))
}

/// What stands before another sentence, or alone.
const BEFORE: [(&str, &str); 5] = [
    ("what was withdrawn is so after all", "此前撤回的情况确实存在"),
    (
        "a report that came late tells of the same, earlier",
        "补传数据显示同一情况发生得更早",
    ),
    (
        "reports that came late show that this did not happen",
        "补传数据显示此情况并未发生",
    ),
    (
        "reports that came late show that it goes on",
        "补传数据显示情况仍在持续",
    ),
    ("reports that came late show another end", "补传数据显示结束时间有变"),
];

/// Clauses without figures.
const FIXED: [(&str, &str); 33] = [
    ("no position is known", "没有已知定位"),
    ("neither fix is in it", "两个定位均不在区域内"),
    ("the distance is kept again", "已重新保持距离"),
    ("the schedule stopped holding", "规定时段已结束"),
    ("the zone's rule was changed or taken away", "该区域的规则已变更或撤销"),
    ("monitoring ended", "监管已结束"),
    ("nearer to a protected person than allowed", "与受保护人的距离小于规定"),
    (
        "near the distance to keep from a protected person",
        "接近应与受保护人保持的距离",
    ),
    ("a report came", "已收到上报"),
    ("a usable position came", "已收到可用定位"),
    ("a report came whose time can be believed", "已收到时间可信的上报"),
    (
        "the time that the device gives cannot be right",
        "设备给出的时间不可能正确",
    ),
    ("its positions are kept aside", "其定位另行保存"),
    ("the device's call button was pressed", "设备呼救按钮被按下"),
    ("the strap is reported open", "设备上报绑带打开"),
    ("the device raised its strap alarm", "设备发出绑带报警"),
    ("the case is reported open", "设备上报外壳打开"),
    ("the device raised its case alarm", "设备发出外壳报警"),
    ("the device reports radio jamming", "设备上报信号干扰"),
    (
        "a position report came without the jamming alarm",
        "收到的定位上报已无干扰报警",
    ),
    ("the device reports that it is shielded", "设备上报信号被屏蔽"),
    (
        "a position report came without the shielding alarm",
        "收到的定位上报已无屏蔽报警",
    ),
    (
        "two devices speak under this device's name at the same time: a copied device",
        "两台设备同时以本设备的名义上报：设备被复制",
    ),
    ("reports of both are kept", "两者的上报均予保留"),
    (
        "only one device has spoken under this device's name for 30 min",
        "30 分钟内仅有一台设备以本设备的名义上报",
    ),
    ("the battery is low", "电量低"),
    ("the battery is no longer low", "电量已不低"),
    ("the battery is nearly empty", "电量将尽"),
    ("the battery is no longer nearly empty", "电量已恢复"),
    (
        "the device says that it moves and has had no usable position for 5 min",
        "设备表示在移动，且已有 5 分钟没有可用定位",
    ),
    ("the device no longer moves", "设备已不再移动"),
    (
        "two positions are farther apart than anybody travels in the time between: a copied device, or false positions",
        "两个定位相距之远，其间的时间内无人能够到达：设备被复制，或定位有误",
    ),
    (
        "positions have followed one another as they can for 30 min",
        "30 分钟内各定位前后合理",
    ),
];

fn clause(text: &str) -> Option<String> {
    if let Some((_, zh)) = FIXED.iter().find(|(en, _)| *en == text) {
        return Some((*zh).to_owned());
    }
    let between = |before: &str, after: &str| text.strip_prefix(before)?.strip_suffix(after);
    if let Some(lasted) = between("it lasted ", "") {
        return Some(format!("共持续 {}", span(lasted)?));
    }
    if let Some(old) = between("the newest position is ", " old") {
        return Some(format!("最新定位已是 {}之前的", span(old)?));
    }
    if let Some(silent) = between("no fix came for ", " to confirm or deny it") {
        return Some(format!("此后 {}内没有定位可以证实或排除", span(silent)?));
    }
    if let Some(place) = between("the newest position then was ", "") {
        return Some(format!("当时的最新定位{}", whereabouts(place)?));
    }
    if let Some(asked) = between("was not seen inside the zone in the ", " of the attendance") {
        return Some(format!("在 {}的报到时段内未在区域内出现", span(asked)?));
    }
    if let Some(silent) = between(
        "no report for ",
        " after a battery that was nearly empty: presumed dead",
    ) {
        return Some(format!("电量将尽后已有 {}没有上报：推定电量耗尽", span(silent)?));
    }
    if let Some(silent) = between("no report for ", "") {
        return Some(format!("已有 {}没有上报", span(silent)?));
    }
    if let Some(long) = between("reports come, but none with a usable position for ", "") {
        return Some(format!("有上报，但已有 {}没有可用定位", span(long)?));
    }
    if let Some(rest) = between("probability ", "") {
        let (probability, fixes) = rest.split_once(" after ")?;
        let (count, more) = match fixes.strip_suffix(" or more fixes") {
            Some(count) => (count, " 个以上"),
            None => (
                fixes.strip_suffix(" fixes").or_else(|| fixes.strip_suffix(" fix"))?,
                " 个",
            ),
        };
        return Some(format!("{}{more}定位后的概率 {}", whole(count)?, decimal(probability)?));
    }
    if let Some(rest) = between("the straight way between two fixes ", " m through the zone") {
        let (apart, rest) = rest.split_once(" and ")?;
        let (way, length) = rest.split_once(" m apart leads ")?;
        return Some(format!(
            "两个定位相隔 {}、相距 {} 米，其间的直线有 {} 米穿过该区域",
            span(apart)?,
            whole(way)?,
            whole(length)?
        ));
    }
    if let Some(rest) = between("came ", "") {
        let (took, place) = rest.split_once(" after the time to be inside began: ")?;
        return Some(format!(
            "规定应在区域内的时段开始 {}后才到达：{}",
            span(took)?,
            whereabouts(place)?
        ));
    }
    for (rule, before, after) in [
        (" which must not be entered", "", "，该区域禁止进入"),
        (" widened by the warning buffer", "", "，区域范围含预警缓冲带"),
        (" which must not be left", "", "，该区域不得离开"),
        (" when the time to be inside began", "规定应在区域内的时段开始时", ""),
        (" while the time to be inside ran", "规定应在区域内的时段中", ""),
    ] {
        if let Some(place) = text.strip_suffix(rule) {
            return Some(format!("{before}{}{after}", whereabouts(place)?));
        }
    }
    whereabouts(text)
}

/// "outside the zone by 212 m (accuracy 15 m)".
fn whereabouts(text: &str) -> Option<String> {
    if let Some((_, zh)) = FIXED.iter().take(1).find(|(en, _)| *en == text) {
        return Some((*zh).to_owned());
    }
    let (side, rest) = match text.strip_prefix("inside the zone by ") {
        Some(rest) => ("内", rest),
        None => ("外", text.strip_prefix("outside the zone by ")?),
    };
    let (metres, rest) = rest.split_once(" m (accuracy ")?;
    let accuracy = match rest.strip_suffix(')')? {
        "not stated" => "未说明".to_owned(),
        known => format!(" {} 米", whole(known.strip_suffix(" m")?)?),
    };
    Some(format!("在区域{side} {} 米（精度{accuracy}）", whole(metres)?))
}

/// "3 h 10 min".
fn span(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(' ').collect();
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return None;
    }
    let mut parts = Vec::new();
    for pair in words.chunks_exact(2) {
        let [count, unit] = pair else { return None };
        let unit = match *unit {
            "s" => "秒",
            "min" => "分钟",
            "h" => "小时",
            "d" => "天",
            _ => return None,
        };
        parts.push(format!("{} {unit}", whole(count)?));
    }
    Some(parts.join(" "))
}

fn whole(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn decimal(text: &str) -> Option<&str> {
    let (before, after) = text.split_once('.')?;
    (whole(before).is_some() && whole(after).is_some()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One sentence of each form, by the kind of event that has it.
    const SENTENCES: [(&str, &str, &str); 41] = [
        (
            "exclusion_entry",
            "inside the zone by 18 m (accuracy 12 m) which must not be entered; probability 0.987 after 2 fixes",
            "在区域内 18 米（精度 12 米），该区域禁止进入；2 个定位后的概率 0.987",
        ),
        (
            "exclusion_entry, end",
            "outside the zone by 40 m (accuracy not stated); probability 0.999 after 3 or more fixes; it lasted 1 min 5 s",
            "在区域外 40 米（精度未说明）；3 个以上定位后的概率 0.999；共持续 1 分钟 5 秒",
        ),
        (
            "buffer_entry",
            "inside the zone by 3 m (accuracy 5 m) widened by the warning buffer; probability 0.951 after 1 fix",
            "在区域内 3 米（精度 5 米），区域范围含预警缓冲带；1 个定位后的概率 0.951",
        ),
        (
            "curfew_absent_at_start",
            "outside the zone by 212 m (accuracy 15 m) when the time to be inside began; the newest position is 10 min old",
            "规定应在区域内的时段开始时在区域外 212 米（精度 15 米）；最新定位已是 10 分钟之前的",
        ),
        (
            "curfew_absent_at_start, nothing known",
            "no position is known when the time to be inside began",
            "规定应在区域内的时段开始时没有已知定位",
        ),
        (
            "left_during_curfew",
            "outside the zone by 90 m (accuracy 8 m) while the time to be inside ran; probability 0.973 after 2 fixes",
            "规定应在区域内的时段中在区域外 90 米（精度 8 米）；2 个定位后的概率 0.973",
        ),
        (
            "left_inclusion",
            "outside the zone by 70 m (accuracy 9 m) which must not be left; probability 0.960 after 2 fixes",
            "在区域外 70 米（精度 9 米），该区域不得离开；2 个定位后的概率 0.960",
        ),
        (
            "late_return",
            "came 12 min after the time to be inside began: inside the zone by 6 m (accuracy 11 m); probability 0.990 after 2 fixes",
            "规定应在区域内的时段开始 12 分钟后才到达：在区域内 6 米（精度 11 米）；2 个定位后的概率 0.990",
        ),
        (
            "missed_attendance",
            "was not seen inside the zone in the 2 h of the attendance; the newest position then was outside the zone by 900 m (accuracy 20 m)",
            "在 2 小时的报到时段内未在区域内出现；当时的最新定位在区域外 900 米（精度 20 米）",
        ),
        (
            "possible_crossing",
            "the straight way between two fixes 1 min and 640 m apart leads 120 m through the zone; neither fix is in it",
            "两个定位相隔 1 分钟、相距 640 米，其间的直线有 120 米穿过该区域；两个定位均不在区域内",
        ),
        (
            "possible_crossing, one fix",
            "inside the zone by 30 m (accuracy 14 m) which must not be entered; no fix came for 15 min to confirm or deny it",
            "在区域内 30 米（精度 14 米），该区域禁止进入；此后 15 分钟内没有定位可以证实或排除",
        ),
        ("strap_tamper", "the strap is reported open", "设备上报绑带打开"),
        (
            "strap_tamper, alarm",
            "the device raised its strap alarm",
            "设备发出绑带报警",
        ),
        ("case_tamper", "the case is reported open", "设备上报外壳打开"),
        (
            "case_tamper, alarm",
            "the device raised its case alarm",
            "设备发出外壳报警",
        ),
        ("silence", "no report for 15 min", "已有 15 分钟没有上报"),
        (
            "silence, end",
            "a report came; it lasted 2 d 4 h",
            "已收到上报；共持续 2 天 4 小时",
        ),
        (
            "no_fix",
            "reports come, but none with a usable position for 30 min",
            "有上报，但已有 30 分钟没有可用定位",
        ),
        (
            "no_fix, end",
            "a usable position came; it lasted 40 min",
            "已收到可用定位；共持续 40 分钟",
        ),
        (
            "motion_without_fix",
            "the device says that it moves and has had no usable position for 5 min",
            "设备表示在移动，且已有 5 分钟没有可用定位",
        ),
        (
            "motion_without_fix, end",
            "the device no longer moves; it lasted 6 min",
            "设备已不再移动；共持续 6 分钟",
        ),
        ("jamming", "the device reports radio jamming", "设备上报信号干扰"),
        (
            "jamming, end",
            "a position report came without the jamming alarm; it lasted 30 s",
            "收到的定位上报已无干扰报警；共持续 30 秒",
        ),
        (
            "shielding",
            "the device reports that it is shielded",
            "设备上报信号被屏蔽",
        ),
        (
            "shielding, end",
            "a position report came without the shielding alarm; it lasted 30 s",
            "收到的定位上报已无屏蔽报警；共持续 30 秒",
        ),
        (
            "impossible_movement",
            "two positions are farther apart than anybody travels in the time between: a copied device, or false positions",
            "两个定位相距之远，其间的时间内无人能够到达：设备被复制，或定位有误",
        ),
        (
            "impossible_movement, end",
            "positions have followed one another as they can for 30 min; it lasted 1 h",
            "30 分钟内各定位前后合理；共持续 1 小时",
        ),
        (
            "cloned_device",
            "two devices speak under this device's name at the same time: a copied device; reports of both are kept",
            "两台设备同时以本设备的名义上报：设备被复制；两者的上报均予保留",
        ),
        (
            "cloned_device, end",
            "only one device has spoken under this device's name for 30 min; it lasted 1 h 2 min",
            "30 分钟内仅有一台设备以本设备的名义上报；共持续 1 小时 2 分钟",
        ),
        ("battery_low", "the battery is low", "电量低"),
        (
            "battery_low, end",
            "the battery is no longer low; it lasted 3 h 10 min",
            "电量已不低；共持续 3 小时 10 分钟",
        ),
        ("battery_critical", "the battery is nearly empty", "电量将尽"),
        (
            "battery_dead",
            "no report for 15 min after a battery that was nearly empty: presumed dead",
            "电量将尽后已有 15 分钟没有上报：推定电量耗尽",
        ),
        (
            "clock_skew",
            "the time that the device gives cannot be right; its positions are kept aside",
            "设备给出的时间不可能正确；其定位另行保存",
        ),
        ("sos", "the device's call button was pressed", "设备呼救按钮被按下"),
        (
            "proximity",
            "nearer to a protected person than allowed; probability 0.981 after 2 fixes",
            "与受保护人的距离小于规定；2 个定位后的概率 0.981",
        ),
        (
            "proximity, end",
            "the distance is kept again; probability 0.999 after 2 fixes; it lasted 4 min",
            "已重新保持距离；2 个定位后的概率 0.999；共持续 4 分钟",
        ),
        (
            "proximity_warning",
            "near the distance to keep from a protected person; probability 0.970 after 2 fixes",
            "接近应与受保护人保持的距离；2 个定位后的概率 0.970",
        ),
        (
            "any, rules changed",
            "the zone's rule was changed or taken away; it lasted 0 s",
            "该区域的规则已变更或撤销；共持续 0 秒",
        ),
        (
            "correction",
            "reports that came late show another end: outside the zone by 40 m (accuracy 5 m); probability 0.999 after 2 fixes; it lasted 5 s",
            "补传数据显示结束时间有变：在区域外 40 米（精度 5 米）；2 个定位后的概率 0.999；共持续 5 秒",
        ),
        (
            "correction of a correction",
            "what was withdrawn is so after all: no report for 20 min",
            "此前撤回的情况确实存在：已有 20 分钟没有上报",
        ),
    ];

    #[test]
    fn each_kind_is_said_in_chinese_with_the_same_figures() {
        for (kind, en, zh) in SENTENCES {
            assert_eq!(in_chinese(en).as_deref(), Some(zh), "{kind}");
            let figures = |text: &str| -> Vec<String> {
                let mut all: Vec<String> = text
                    .split(|character: char| !character.is_ascii_digit() && character != '.')
                    .filter(|part| part.bytes().any(|byte| byte.is_ascii_digit()))
                    .map(|part| part.trim_matches('.').to_owned())
                    .collect();
                all.sort();
                all
            };
            assert_eq!(figures(en), figures(zh), "{kind}");
            assert!(!zh.bytes().any(|byte| byte.is_ascii_alphabetic()), "{kind}");
        }
        for (_, zh) in BEFORE.iter().chain(&FIXED) {
            assert!(!zh.bytes().any(|byte| byte.is_ascii_alphabetic()), "{zh}");
        }
    }

    #[test]
    fn what_is_not_the_engines_is_left_alone() {
        for text in [
            "",
            "Silent for 20 minutes.",
            "no report for 15 minutes",
            "no report for",
            "inside the zone by -3 m (accuracy 5 m)",
            "inside the zone by 3 m (accuracy 5 m) which must not be entered; and more",
            "what was withdrawn is so after all: ",
            "probability high after 2 fixes",
        ] {
            assert_eq!(in_chinese(text), None, "{text:?}");
        }
    }
}
