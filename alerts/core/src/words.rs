//! Words of the record for people to read, in English and Simplified Chinese: what was done, states, edges, channels, purposes.

use crate::{ClosingCode, Locale};

/// Of what sort a word is: the same word means different things in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// What was done with an incident.
    Action,
    /// Where an incident stands.
    State,
    /// Which end of a violation an event tells.
    Edge,
    /// By which way a message goes.
    Channel,
    /// What became of a message.
    Message,
    /// Why positions are read.
    Purpose,
    /// By what a position was found.
    Source,
}

/// A word as people say it. One that is not known stays as it is.
pub fn said(sort: Sort, word: &str, locale: Locale) -> &str {
    let found = table(sort).iter().find(|(known, ..)| *known == word);
    found.map_or(word, |(_, en, zh)| match locale {
        Locale::En => en,
        Locale::ZhCn => zh,
    })
}

/// What stands beside an action: a closing code, or what an event did to the incident.
pub fn code(word: &str, locale: Locale) -> &str {
    let known = word.parse::<ClosingCode>().ok().map(|code| code.label(locale));
    known.unwrap_or_else(|| {
        let found = CODES.iter().find(|(known, ..)| *known == word);
        found.map_or(word, |(_, en, zh)| match locale {
            Locale::En => en,
            Locale::ZhCn => zh,
        })
    })
}

type Table = &'static [(&'static str, &'static str, &'static str)];

const CODES: Table = &[
    ("worsened", "more urgent", "更为紧急"),
    ("called_again", "called again", "再次呼救"),
    ("moved", "times corrected", "时间有更正"),
    ("resumed", "goes on", "仍在持续"),
    ("withdrawn", "did not happen", "并未发生"),
    ("superseded", "told earlier", "由更早的记录取代"),
];

const fn table(sort: Sort) -> Table {
    match sort {
        Sort::Action => &[
            ("raise", "raised", "报警"),
            ("notify", "messages sent", "已发通知"),
            ("acknowledge", "acknowledged", "接警"),
            ("start_action", "action begun", "开始处置"),
            ("take_over", "taken over", "已接管"),
            (
                "expire",
                "nothing followed: back to everybody",
                "逾期未处置，已退回全体",
            ),
            ("note", "note", "备注"),
            ("close", "closed", "结案"),
            ("event", "further event", "新增记录"),
            ("reopen", "opened again by a new violation", "因新的违规重新打开"),
            ("suspend", "suspended", "已暂停"),
            ("resume", "resumed", "已恢复"),
            ("wake", "suspension over", "暂停期满"),
            ("merge", "merged", "已合并"),
            ("adopt", "another was merged into it", "有事件并入"),
            ("split", "split off", "已拆分"),
            ("release", "another left it", "有事件移出"),
            ("call", "called", "已呼叫"),
            ("nobody", "nobody to call", "无人可呼叫"),
            ("failed", "escalation failed: nobody came", "升级失败：无人响应"),
            ("carry_over", "record begins (earlier version)", "记录开始（旧版本）"),
        ],
        Sort::State => &[
            ("raised", "not acknowledged", "待接警"),
            ("notified", "not acknowledged, messages sent", "待接警（已通知）"),
            ("acknowledged", "acknowledged", "已接警"),
            ("in_action", "in action", "处置中"),
            ("closed", "closed", "已结案"),
        ],
        Sort::Edge => &[
            ("onset", "onset", "开始"),
            ("end", "end", "终止"),
            ("correction", "correction", "更正"),
        ],
        Sort::Channel => &[
            ("console", "console", "控制台"),
            ("mail", "mail", "邮件"),
            ("webhook", "webhook", "网络回调"),
            ("sms", "short message", "短信"),
            ("push", "browser", "浏览器推送"),
        ],
        Sort::Message => &[
            ("queued", "waiting", "待发"),
            ("sending", "being sent", "发送中"),
            ("sent", "sent", "已发送"),
            ("dead", "given up", "已放弃"),
        ],
        Sort::Purpose => &[
            ("duty", "supervision on duty", "值班监管"),
            ("incident", "handling an incident", "处理事件"),
            ("court", "for a court", "应法院要求"),
            ("maintenance", "equipment", "设备维护"),
        ],
        Sort::Source => &[
            ("gnss", "satellite", "卫星"),
            ("wifi", "Wi-Fi", "无线局域网"),
            ("cell", "cell tower", "基站"),
            ("beacon", "beacon", "信标"),
            ("unknown", "unknown", "未知"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_said_in_both_languages() {
        assert_eq!(said(Sort::Action, "notify", Locale::ZhCn), "已发通知");
        assert_eq!(said(Sort::Edge, "onset", Locale::ZhCn), "开始");
        assert_eq!(said(Sort::Action, "start_action", Locale::En), "action begun");
        assert_eq!(said(Sort::Action, "of_tomorrow", Locale::ZhCn), "of_tomorrow");
        assert_eq!(code("confirmed_violation", Locale::ZhCn), "确认违规");
        assert_eq!(code("withdrawn", Locale::ZhCn), "并未发生");
        for sort in [
            Sort::Action,
            Sort::State,
            Sort::Edge,
            Sort::Channel,
            Sort::Message,
            Sort::Purpose,
            Sort::Source,
        ] {
            for (word, en, zh) in table(sort) {
                assert!(!en.is_empty() && !zh.is_ascii(), "{sort:?} {word}");
            }
        }
    }
}
