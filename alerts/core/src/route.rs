//! Who may see an incident, and who is sent a message about it.

use std::fmt;

use proto::wire::EventKind;
use uuid::Uuid;

use crate::{Audience, Locale, Severity, roster::Via};

/// Kinds that are one branch's matter; every other kind is for both.
///
/// Social work has what is settled by a talk (and at P1 or P2, for people of the highest risk, the police as well); the
/// police have what smells of crime against the device or of danger.
const TABLE: [(EventKind, Audience); 9] = [
    (EventKind::MissedAttendance, Audience::SocialWork),
    (EventKind::BatteryLow, Audience::SocialWork),
    (EventKind::LateReturn, Audience::SocialWork),
    (EventKind::ClockSkew, Audience::SocialWork),
    (EventKind::Jamming, Audience::Police),
    (EventKind::Shielding, Audience::Police),
    (EventKind::Sos, Audience::Police),
    (EventKind::ImpossibleMovement, Audience::Police),
    (EventKind::ClonedDevice, Audience::Police),
];

/// Says which branches an event concerns.
///
/// Nearness to a protected person is for the police alone, whatever else is said. Then a zone that one branch alone may know
/// (a protected person's address) decides: what happens there is for that branch alone, whatever the kind.
pub fn audience(kind: EventKind, severity: Severity, zone_audience: Option<Audience>) -> Audience {
    if matches!(kind, EventKind::Proximity | EventKind::ProximityWarning) {
        return Audience::Police;
    }
    match zone_audience {
        Some(restricted @ (Audience::Police | Audience::SocialWork)) => restricted,
        Some(Audience::Both) | None => {
            let own = TABLE
                .iter()
                .find(|row| row.0 == kind)
                .map_or(Audience::Both, |row| row.1);
            if own == Audience::SocialWork && severity <= Severity::P2 {
                Audience::Both
            } else {
                own
            }
        }
    }
}

/// A way to reach somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The page of the officers on duty.
    Console,
    /// SMTP.
    Mail,
    /// A signed HTTP request.
    Webhook,
    /// A short message over an HTTP gateway.
    Sms,
    /// Web Push, to a user's browsers.
    Push,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 5] = [Self::Console, Self::Mail, Self::Webhook, Self::Sms, Self::Push];

    /// The word used in SQL, JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Sms => "sms",
            Self::Push => "push",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == text)
    }
}

impl From<Via> for Channel {
    fn from(via: Via) -> Self {
        match via {
            Via::Console => Self::Console,
            Via::Mail => Self::Mail,
            Via::Webhook => Self::Webhook,
            Via::Sms => Self::Sms,
            Via::Push => Self::Push,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where an agency wants its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which one, for the secret of a webhook.
    pub target: Uuid,
    /// Whose.
    pub agency: Uuid,
    /// How.
    pub channel: Channel,
    /// Mail address, URL or telephone number.
    pub address: String,
    /// Only for incidents at least this urgent.
    pub at_least: Severity,
    /// In which language.
    pub locale: Locale,
}

/// A user with the addresses of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Who.
    pub user: Uuid,
    /// In the order in which they are tried.
    pub addresses: Vec<(Channel, String)>,
    /// In which language.
    pub locale: Locale,
}

/// Who is responsible for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contacts {
    /// The police unit.
    pub police_agency: Uuid,
    /// The social work office.
    pub social_agency: Uuid,
    /// The person's own social worker.
    pub social_worker: Option<Own>,
    /// The targets of both agencies; those of others are not used.
    pub targets: Vec<Target>,
}

/// One message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// How.
    pub channel: Channel,
    /// Mail address, URL, telephone number, `agency:<id>` on the console, or `user:<id>` for a user's browsers.
    pub address: String,
    /// The agency's target, if it is one.
    pub target: Option<Uuid>,
    /// The user, if it is an address of their own.
    pub user: Option<Uuid>,
    /// The channels to be tried one after the other, this one first; empty where nothing follows.
    pub failover: Vec<Channel>,
    /// In which language.
    pub locale: Locale,
}

/// The least urgent severity at which a person's own social worker gets a message; below, the console is enough.
pub const SOCIAL_WORKER_MAIL: Severity = Severity::P3;

/// Lists who is told about an incident: on the console every agency of its audience, at their own addresses (one after the
/// other, where the first does not reach them) the person's social worker, and the agencies' targets, each by severity. Nobody outside the audience; nobody twice.
pub fn recipients(audience: Audience, severity: Severity, contacts: &Contacts) -> Vec<Recipient> {
    let agencies = [
        (audience.police(), contacts.police_agency),
        (audience.social_work(), contacts.social_agency),
    ];
    let mut list: Vec<Recipient> = Vec::new();
    let mut add = |recipient: Recipient| {
        if !list
            .iter()
            .any(|known| known.channel == recipient.channel && known.address == recipient.address)
        {
            list.push(recipient);
        }
    };
    for (concerned, agency) in agencies {
        // Nil: of no agency in particular.
        if concerned && !agency.is_nil() {
            let address = format!("agency:{agency}");
            add(Recipient {
                channel: Channel::Console,
                address,
                target: None,
                user: None,
                failover: Vec::new(),
                locale: Locale::En,
            });
        }
    }
    if let Some(own) = &contacts.social_worker
        && let Some((channel, address)) = own.addresses.first()
        && audience.social_work()
        && severity <= SOCIAL_WORKER_MAIL
    {
        add(Recipient {
            channel: *channel,
            address: address.clone(),
            target: None,
            user: Some(own.user),
            failover: own.addresses.iter().map(|(channel, _)| *channel).collect(),
            locale: own.locale,
        });
    }
    for target in &contacts.targets {
        if severity <= target.at_least && agencies.contains(&(true, target.agency)) {
            add(Recipient {
                channel: target.channel,
                address: target.address.clone(),
                target: Some(target.target),
                user: None,
                failover: Vec::new(),
                locale: target.locale,
            });
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::priority;

    #[test]
    fn each_branch_has_matters_of_its_own() {
        let normal = |kind| audience(kind, priority::severity(kind, 2), None);
        for kind in [
            EventKind::MissedAttendance,
            EventKind::BatteryLow,
            EventKind::LateReturn,
        ] {
            assert_eq!(normal(kind), Audience::SocialWork);
            assert_eq!(
                audience(kind, Severity::P2, None),
                Audience::Both,
                "highest risk concerns the police as well"
            );
        }
        for kind in [EventKind::Jamming, EventKind::Sos, EventKind::ImpossibleMovement] {
            assert_eq!(normal(kind), Audience::Police);
        }
        for kind in [
            EventKind::StrapTamper,
            EventKind::ExclusionEntry,
            EventKind::LeftDuringCurfew,
            EventKind::Silence,
        ] {
            assert_eq!(normal(kind), Audience::Both);
        }
    }

    #[test]
    fn nearness_to_a_protected_person_is_for_the_police_alone() {
        for kind in [EventKind::Proximity, EventKind::ProximityWarning] {
            for severity in Severity::ALL {
                for zone in [
                    None,
                    Some(Audience::Both),
                    Some(Audience::SocialWork),
                    Some(Audience::Police),
                ] {
                    assert_eq!(audience(kind, severity, zone), Audience::Police);
                }
            }
        }
    }

    #[test]
    fn a_restricted_zone_decides_first() {
        let near = [EventKind::Proximity, EventKind::ProximityWarning];
        for kind in proto::event::KINDS.into_iter().filter(|kind| !near.contains(kind)) {
            for severity in Severity::ALL {
                assert_eq!(audience(kind, severity, Some(Audience::Police)), Audience::Police);
                assert_eq!(
                    audience(kind, severity, Some(Audience::SocialWork)),
                    Audience::SocialWork
                );
                assert_eq!(
                    audience(kind, severity, Some(Audience::Both)),
                    audience(kind, severity, None)
                );
            }
        }
    }

    fn contacts() -> Contacts {
        let target = |n: u128, agency: u128, channel, address: &str, at_least| Target {
            target: Uuid::from_u128(n),
            agency: Uuid::from_u128(agency),
            channel,
            address: address.into(),
            at_least,
            locale: Locale::En,
        };
        Contacts {
            police_agency: Uuid::from_u128(1),
            social_agency: Uuid::from_u128(2),
            social_worker: Some(Own {
                user: Uuid::from_u128(9),
                addresses: vec![
                    (Channel::Mail, "worker@social.example".into()),
                    (Channel::Sms, "+8613800000000".into()),
                ],
                locale: Locale::ZhCn,
            }),
            targets: vec![
                target(10, 1, Channel::Webhook, "https://police.example/hook", Severity::P2),
                target(11, 2, Channel::Mail, "office@social.example", Severity::P4),
                target(12, 3, Channel::Mail, "stranger@elsewhere.example", Severity::P4),
                target(13, 2, Channel::Mail, "worker@social.example", Severity::P4),
            ],
        }
    }

    fn addresses(audience: Audience, severity: Severity) -> Vec<String> {
        recipients(audience, severity, &contacts())
            .into_iter()
            .map(|r| r.address)
            .collect()
    }

    #[test]
    fn a_user_is_one_recipient_with_channels_in_order() {
        let list = recipients(Audience::SocialWork, Severity::P3, &contacts());
        let own: Vec<_> = list.iter().filter(|recipient| recipient.user.is_some()).collect();
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].failover, [Channel::Mail, Channel::Sms]);
        assert_eq!(own[0].channel, Channel::Mail);
    }

    #[test]
    fn words_of_channels_are_read_back() {
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.name()), Some(channel));
        }
        for via in [Via::Console, Via::Mail, Via::Webhook, Via::Sms, Via::Push] {
            assert_eq!(Channel::from(via).name(), via.name());
        }
        assert_eq!(Channel::parse("pigeon"), None);
    }

    #[test]
    fn nobody_outside_the_audience_and_nobody_twice() {
        let [police, social] = [1, 2].map(|n| format!("agency:{}", Uuid::from_u128(n)));
        assert_eq!(
            addresses(Audience::Police, Severity::P1),
            [police.clone(), "https://police.example/hook".into()]
        );
        assert_eq!(addresses(Audience::Police, Severity::P3), std::slice::from_ref(&police));
        assert_eq!(
            addresses(Audience::SocialWork, Severity::P3),
            [
                social.clone(),
                "worker@social.example".into(),
                "office@social.example".into()
            ]
        );
        assert_eq!(
            addresses(Audience::Both, Severity::P4),
            [
                police,
                social,
                "office@social.example".into(),
                "worker@social.example".into()
            ],
            "a target of the office still gets what the social worker's own mail leaves out"
        );
    }
}
