//! What messages say, in English and Simplified Chinese.
//!
//! Mail and webhooks leave the house: a mail lies on servers and telephones that are not ours. So they carry the case
//! reference and the incident's number, and never a name or a place; those are for the console, behind a log-in.

use jiff::{Timestamp, tz::TimeZone};
use proto::wire::EventKind;

use crate::{Locale, Severity, route::Channel};

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// An incident was raised.
    Raised,
    /// An open incident became more urgent, or came to concern the receiver.
    Worsened,
    /// Somebody whose call for help is known has called again.
    CalledAgain,
    /// Late reports show that a violation which was over goes on.
    Resumed,
    /// Late reports show that a violation which was told did not happen.
    Withdrawn,
}

impl News {
    /// The word used in webhooks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Worsened => "worsened",
            Self::CalledAgain => "called_again",
            Self::Resumed => "resumed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What late reports show, as a sentence; `None` where nothing was told before.
    const fn correction(self, locale: Locale) -> Option<&'static str> {
        let (en, zh) = match self {
            Self::Raised | Self::Worsened | Self::CalledAgain => return None,
            Self::Resumed => ("late reports show that it goes on", "补传数据显示情况仍在持续"),
            Self::Withdrawn => (
                "late reports show that this did not happen",
                "补传数据显示此情况并未发生",
            ),
        };
        Some(locale.choose(en, zh))
    }
}

/// What a message is made of.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The incident's number.
    pub number: i64,
    /// The person's case reference.
    pub reference: &'a str,
    /// The person's name. On the console only.
    pub name: &'a str,
    /// The zone's label. On the console only.
    pub place: Option<&'a str>,
    /// Of the event that the message tells of.
    pub kind: EventKind,
    /// The word of an incident that no event made; it comes before `kind`.
    pub own_kind: Option<&'a str>,
    /// Of the incident.
    pub severity: Severity,
    /// When the violation began.
    pub onset_at: Timestamp,
    /// The person's time zone, an IANA name; UTC where it is unknown.
    pub time_zone: &'a str,
    /// Why it is sent.
    pub news: News,
    /// The event was judged from reports that the device had stored and sent later.
    pub late: bool,
    /// Where the console shows the incident, after a log-in.
    pub link: Option<&'a str>,
}

impl Facts<'_> {
    /// When it began, by the person's calendar in this form. The offset belongs in it: the reader may sit in another time zone.
    pub(crate) fn began(&self, form: &str) -> String {
        let zone = TimeZone::get(self.time_zone).unwrap_or(TimeZone::UTC);
        self.onset_at.to_zoned(zone).strftime(form).to_string()
    }

    /// It is to be said that it comes from stored reports; a correction says so by itself.
    pub(crate) const fn says_late(&self) -> bool {
        self.late && !matches!(self.news, News::Resumed | News::Withdrawn)
    }
}

/// A message, ready for its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line.
    pub subject: String,
    /// A few lines.
    pub body: String,
}

/// What happened, in words: a phrase for a kind of event.
pub const fn phrase(kind: EventKind, locale: Locale) -> &'static str {
    let (en, zh) = match kind {
        EventKind::ExclusionEntry => ("entered an exclusion zone", "进入禁止区域"),
        EventKind::BufferEntry => ("came close to an exclusion zone", "接近禁止区域"),
        EventKind::CurfewAbsentAtStart => ("absent at the start of curfew", "宵禁开始时不在规定地点"),
        EventKind::LeftDuringCurfew => ("left during curfew", "宵禁期间离开规定地点"),
        EventKind::LateReturn => ("returned late for curfew", "宵禁迟归"),
        EventKind::LeftInclusion => ("left an area to stay in", "离开规定活动区域"),
        EventKind::MissedAttendance => ("missed an appointment", "未按时报到"),
        EventKind::PossibleCrossing => ("may have crossed an exclusion zone", "可能穿越禁止区域"),
        EventKind::StrapTamper => ("strap opened or cut", "腕带被打开或剪断"),
        EventKind::CaseTamper => ("device case opened", "设备外壳被打开"),
        EventKind::Silence => ("device silent", "设备失联"),
        EventKind::NoFix => ("device without position", "设备无法定位"),
        EventKind::MotionWithoutFix => ("moving without position", "移动中无法定位"),
        EventKind::Jamming => ("radio jamming suspected", "疑似信号干扰"),
        EventKind::Shielding => ("shielding suspected", "疑似信号屏蔽"),
        EventKind::ImpossibleMovement => ("impossible movement", "位移异常"),
        EventKind::BatteryLow => ("battery low", "电量低"),
        EventKind::BatteryCritical => ("battery critical", "电量严重不足"),
        EventKind::BatteryDead => ("battery empty", "电量耗尽"),
        EventKind::ClockSkew => ("device clock wrong", "设备时钟异常"),
        EventKind::Sos => ("call for help", "求助报警"),
        EventKind::Proximity => ("came too close to a protected person", "靠近受保护人"),
        EventKind::ProximityWarning => ("approaching a protected person", "正在接近受保护人"),
        EventKind::ClonedDevice => ("device possibly cloned", "设备疑似被克隆"),
        EventKind::Unspecified => ("event of an unknown kind", "未知类型事件"),
    };
    locale.choose(en, zh)
}

/// What happened, in words, also where the system itself has raised the incident.
pub fn what(facts: &Facts<'_>, locale: Locale) -> String {
    match facts.own_kind {
        None => phrase(facts.kind, locale).to_owned(),
        Some(word) => own_phrase(word, locale),
    }
}

/// What happened, by the word of a kind: of an event, or of an incident that the system itself has raised.
pub fn of_kind(word: &str, locale: Locale) -> String {
    match proto::event::parse_kind(word) {
        Some(kind) => phrase(kind, locale).to_owned(),
        None => own_phrase(word, locale),
    }
}

/// A phrase for an incident that no event made. One that is not known here is told by its word, if it is one.
fn own_phrase(word: &str, locale: Locale) -> String {
    let (en, zh) = match word {
        "order_ends" => ("an order ends soon", "监管决定即将到期"),
        "device_silent" => ("a fitted device is silent", "已佩戴设备无信号"),
        "escalation" | "escalation_failed" => ("nobody has answered", "无人响应"),
        "nobody_to_call" => ("nobody could be called at some time", "某一时段将无人可呼叫"),
        "platform_blind" => ("the platform may be blind", "平台可能失明"),
        "root_cause" | "cause" => ("one cause concerns many", "同一原因影响多人"),
        "review_due" => ("a review is due", "复核到期"),
        "device_faulty" | "device_fault" => ("device faulty for too long", "设备故障超时"),
        "fitted_but_silent" | "fitted_silent" => ("device fitted but silent", "设备已佩戴但无上报"),
        "protected_cloned" => (
            "a protected person's device is possibly cloned",
            "受保护人的设备疑似被克隆",
        ),
        "break_glass" => ("emergency access was used", "已启用应急访问"),
        _ => {
            let known = word.len() <= 40 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let word = if known { word.replace('_', " ") } else { String::new() };
            return match locale {
                Locale::En => format!("notice of the system {word}").trim_end().to_owned(),
                Locale::ZhCn => format!("系统通知 {word}").trim_end().to_owned(),
            };
        }
    };
    locale.choose(en, zh).to_owned()
}

/// Writes a message for a channel.
pub fn render(facts: &Facts<'_>, channel: Channel, locale: Locale) -> Message {
    let onset = facts.began("%Y-%m-%d %H:%M:%S %:z");
    let open = channel == Channel::Console;
    let phrase = what(facts, locale);
    let Facts {
        number,
        severity,
        reference,
        name,
        ..
    } = facts;
    // Empty where there is no person, or where it would tell too much.
    let (aside, aside_zh) = if reference.is_empty() {
        (String::new(), String::new())
    } else {
        (format!(" ({reference})"), format!("（{reference}）"))
    };
    let case = !reference.is_empty();
    // Name and place exist for the console only: the other channels cannot take them by mistake.
    let person = open.then_some(*name);
    let place = facts.place.filter(|_| open);
    let correction = facts.news.correction(locale);
    let late = facts.says_late();
    let (beside, beside_zh) = match facts.news {
        News::Worsened => (" (now more urgent)", "（已升级）"),
        News::CalledAgain => (" (called again)", "（再次呼救）"),
        News::Raised | News::Resumed | News::Withdrawn => ("", ""),
    };
    let (subject, lines) = match locale {
        Locale::En => (
            match correction {
                Some(correction) => format!("[{severity}] Incident {number}: {correction}{aside}"),
                None if late => format!("[{severity}] Incident {number}: {phrase}, from stored reports{aside}"),
                None => format!("[{severity}] Incident {number}: {phrase}{aside}"),
            },
            [
                Some(format!("Incident {number}, priority {severity}{beside}")),
                case.then(|| format!("Case: {reference}")),
                person.map(|name| format!("Person: {name}")),
                place.map(|place| format!("Zone: {place}")),
                Some(format!("What: {phrase}")),
                correction.map(|correction| format!("Correction: {correction}")),
                Some(if late {
                    format!("From stored reports, happened at: {onset}")
                } else {
                    format!("Since: {onset}")
                }),
                (!open).then(|| match facts.link {
                    Some(link) => format!("Details: {link}"),
                    None => "Open the incident in the console for details.".to_owned(),
                }),
            ],
        ),
        Locale::ZhCn => (
            match correction {
                Some(correction) => format!("[{severity}] 事件{number}：{correction}{aside_zh}"),
                None if late => format!("[{severity}] 事件{number}：{phrase}（补传数据）{aside_zh}"),
                None => format!("[{severity}] 事件{number}：{phrase}{aside_zh}"),
            },
            [
                Some(format!("事件编号：{number}，优先级：{severity}{beside_zh}")),
                case.then(|| format!("案号：{reference}")),
                person.map(|name| format!("人员：{name}")),
                place.map(|place| format!("区域：{place}")),
                Some(format!("情况：{phrase}")),
                correction.map(|correction| format!("更正：{correction}")),
                Some(if late {
                    format!("据补传数据，发生时间：{onset}")
                } else {
                    format!("开始时间：{onset}")
                }),
                (!open).then(|| match facts.link {
                    Some(link) => format!("详情：{link}"),
                    None => "详情请登录控制台查看。".to_owned(),
                }),
            ],
        ),
    };
    let body = lines.into_iter().flatten().map(|line| line + "\n").collect();
    Message { subject, body }
}

/// What the messages of tests are made of.
#[cfg(test)]
pub(crate) fn example() -> Facts<'static> {
    Facts {
        number: 42,
        reference: "HZ-2026-0007",
        name: "Lin Example",
        place: Some("Home of L."),
        kind: EventKind::LeftDuringCurfew,
        own_kind: None,
        severity: Severity::P2,
        onset_at: "2026-08-17T14:18:12Z".parse().unwrap(),
        time_zone: "Asia/Shanghai",
        news: News::Raised,
        late: false,
        link: None,
    }
}

#[cfg(test)]
mod tests {
    use super::{example as facts, *};

    #[test]
    fn mail_in_english() {
        let message = render(&facts(), Channel::Mail, Locale::En);
        assert_eq!(message.subject, "[P2] Incident 42: left during curfew (HZ-2026-0007)");
        assert_eq!(
            message.body,
            "Incident 42, priority P2\nCase: HZ-2026-0007\nWhat: left during curfew\nSince: 2026-08-17 22:18:12 +08:00\n\
             Open the incident in the console for details.\n"
        );
    }

    #[test]
    fn mail_in_chinese() {
        let message = render(
            &Facts {
                news: News::Worsened,
                ..facts()
            },
            Channel::Mail,
            Locale::ZhCn,
        );
        assert_eq!(message.subject, "[P2] 事件42：宵禁期间离开规定地点（HZ-2026-0007）");
        assert_eq!(
            message.body,
            "事件编号：42，优先级：P2（已升级）\n案号：HZ-2026-0007\n情况：宵禁期间离开规定地点\n\
             开始时间：2026-08-17 22:18:12 +08:00\n详情请登录控制台查看。\n"
        );
    }

    #[test]
    fn late_events_say_when_they_happened() {
        let facts = Facts { late: true, ..facts() };
        let message = render(&facts, Channel::Mail, Locale::En);
        assert_eq!(
            message.subject,
            "[P2] Incident 42: left during curfew, from stored reports (HZ-2026-0007)"
        );
        assert!(
            message
                .body
                .contains("From stored reports, happened at: 2026-08-17 22:18:12 +08:00\n")
        );
        assert!(!message.body.contains("Since"));
        let message = render(&facts, Channel::Mail, Locale::ZhCn);
        assert_eq!(
            message.subject,
            "[P2] 事件42：宵禁期间离开规定地点（补传数据）（HZ-2026-0007）"
        );
        assert!(
            message
                .body
                .contains("据补传数据，发生时间：2026-08-17 22:18:12 +08:00\n")
        );
    }

    #[test]
    fn corrections_say_what_late_reports_show() {
        for (news, en, zh) in [
            (
                News::Resumed,
                "late reports show that it goes on",
                "补传数据显示情况仍在持续",
            ),
            (
                News::Withdrawn,
                "late reports show that this did not happen",
                "补传数据显示此情况并未发生",
            ),
        ] {
            let facts = Facts {
                news,
                late: true,
                ..facts()
            };
            let message = render(&facts, Channel::Webhook, Locale::En);
            assert_eq!(message.subject, format!("[P2] Incident 42: {en} (HZ-2026-0007)"));
            assert!(
                message
                    .body
                    .contains(&format!("What: left during curfew\nCorrection: {en}\nSince: "))
            );
            let message = render(&facts, Channel::Webhook, Locale::ZhCn);
            assert_eq!(message.subject, format!("[P2] 事件42：{zh}（HZ-2026-0007）"));
            assert!(message.body.contains(&format!("更正：{zh}\n")));
        }
    }

    #[test]
    fn a_link_leads_to_the_console() {
        let facts = Facts {
            link: Some("https://homeward.example/incidents/42"),
            ..facts()
        };
        let english = render(&facts, Channel::Webhook, Locale::En);
        assert!(
            english
                .body
                .ends_with("Details: https://homeward.example/incidents/42\n")
        );
        let chinese = render(&facts, Channel::Mail, Locale::ZhCn);
        assert!(chinese.body.ends_with("详情：https://homeward.example/incidents/42\n"));
    }

    #[test]
    fn console_has_name_and_place() {
        let message = render(&facts(), Channel::Console, Locale::En);
        assert!(message.body.contains("Person: Lin Example\nZone: Home of L.\n"));
    }

    #[test]
    fn no_name_and_no_place_leaves_the_house() {
        let all = [
            News::Raised,
            News::Worsened,
            News::CalledAgain,
            News::Resumed,
            News::Withdrawn,
        ];
        for (n, kind) in proto::event::KINDS.into_iter().enumerate() {
            let facts = Facts {
                kind,
                news: all[n % all.len()],
                late: n % 3 == 0,
                ..facts()
            };
            for channel in [Channel::Mail, Channel::Webhook, Channel::Sms, Channel::Push] {
                for locale in [Locale::En, Locale::ZhCn] {
                    let Message { subject, body } = render(&facts, channel, locale);
                    for secret in [facts.name, "Home of L."] {
                        assert!(!subject.contains(secret) && !body.contains(secret), "{subject}\n{body}");
                    }
                    assert!(subject.contains("42") && body.contains("HZ-2026-0007"));
                    assert!(!subject.contains('\n'));
                }
            }
        }
    }

    #[test]
    fn an_unknown_time_zone_is_utc() {
        let message = render(
            &Facts {
                time_zone: "Nowhere/Here",
                ..facts()
            },
            Channel::Webhook,
            Locale::En,
        );
        assert!(message.body.contains("2026-08-17 14:18:12 +00:00"));
    }
}
