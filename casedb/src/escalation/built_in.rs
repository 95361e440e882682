//! What holds where nothing is configured.

use alerts::{
    Audience, Severity,
    ladder::{Ladder, Step},
    roster::{Callee, Via},
    rota::{Crew, Day, Rota, Shift, Table},
};
use jiff::{SignedDuration, civil::Time};
use uuid::Uuid;

use super::{Concerned, Member, Plan};
use crate::user::{Branch, Role};

/// The consoles of the agencies responsible.
pub const DESK: Uuid = Uuid::from_u128(0x686f_6d65_0000_8000_8000_0000_0000_0001);
/// Duty officers and social workers of the nearest unit that has any.
pub const OFFICERS: Uuid = Uuid::from_u128(0x686f_6d65_0000_8000_8000_0000_0000_0002);
/// Supervisors of the units responsible and of those above.
pub const SUPERVISORS: Uuid = Uuid::from_u128(0x686f_6d65_0000_8000_8000_0000_0000_0003);

const LADDERS: u128 = 0x686f_6d65_0000_8000_8000_0000_0001_0000;

pub(super) fn name(id: Uuid) -> Option<&'static str> {
    match id {
        DESK => Some("the consoles of the agencies responsible"),
        OFFICERS => Some("the officers of the nearest unit"),
        SUPERVISORS => Some("the supervisors"),
        _ => None,
    }
}

/// The id of the built-in ladder for a severity.
pub(super) fn ladder_id(severity: Severity) -> Uuid {
    Uuid::from_u128(LADDERS + u128::from(severity.level().unsigned_abs()))
}

/// The built-in ladder for a severity: console, officers, supervisors, with waits as short as the matter is urgent.
pub(super) fn ladder(severity: Severity) -> Ladder {
    let (minutes, laps) = match severity {
        Severity::P1 => ([2, 3, 5], 3),
        Severity::P2 => ([5, 10, 15], 3),
        Severity::P3 => ([60, 120, 240], 2),
        Severity::P4 => ([480, 960, 1440], 2),
    };
    let calls = [
        (DESK, vec![Via::Console]),
        (OFFICERS, vec![Via::Push, Via::Sms, Via::Mail, Via::Console]),
        (SUPERVISORS, vec![Via::Sms, Via::Push, Via::Mail, Via::Console]),
    ];
    Ladder {
        ladder: ladder_id(severity),
        revision: 1,
        steps: calls
            .into_iter()
            .zip(minutes)
            .map(|((rota, via), wait)| Step {
                call: Callee::Rota(rota),
                via,
                wait: SignedDuration::from_mins(wait),
            })
            .collect(),
        laps,
        delay: SignedDuration::ZERO,
    }
}

/// The consoles that show an incident: those of the agencies responsible, or where one is out of use, of the nearest above it. Of what concerns
/// nobody in particular, those at the top of each branch.
pub(super) fn desks(plan: &Plan, concerned: &Concerned) -> Vec<(Uuid, Audience)> {
    let top = |branch: Branch| {
        let own = plan.units.values().filter(|unit| unit.branch == branch && unit.in_use);
        own.min_by_key(|unit| (unit.path.matches('.').count(), &unit.path))
            .map(|unit| unit.agency_id)
    };
    let of = |agency: Option<Uuid>, branch| agency.map_or_else(|| top(branch), |agency| plan.in_use(agency));
    let police = of(concerned.police, Branch::Police);
    let social = of(concerned.social, Branch::SocialWork);
    let mut desks: Vec<(Uuid, Audience)> = police.map(|agency| (agency, Audience::Police)).into_iter().collect();
    match social {
        // One agency for both.
        Some(agency) if police == Some(agency) => desks = vec![(agency, Audience::Both)],
        Some(agency) => desks.push((agency, Audience::SocialWork)),
        None => {}
    }
    desks
}

/// The built-in rotas, as they are for one incident. One that would have nobody is left out: whoever calls it calls nobody.
pub(super) fn rotas(seen: &[&Member], desks: Vec<(Uuid, Audience)>, concerned: &Concerned) -> Vec<Rota> {
    let depth = |member: &Member| member.path.matches('.').count();
    let nearest = |branch: Branch, of_anybody: bool| {
        let own: Vec<&&Member> = seen
            .iter()
            .filter(|member| member.branch == branch && matches!(member.role, Role::DutyOfficer | Role::SocialWorker))
            .collect();
        let depths = own.iter().map(|member| depth(member));
        // Of what concerns nobody in particular, those at the top.
        let level = if of_anybody { depths.min() } else { depths.max() };
        own.into_iter()
            .filter(|member| Some(depth(member)) == level)
            .map(|member| member.user_id)
            .collect::<Vec<Uuid>>()
    };
    let mut officers = nearest(Branch::Police, concerned.police.is_none());
    officers.extend(nearest(Branch::SocialWork, concerned.social.is_none()));
    let supervisors = seen
        .iter()
        .filter(|member| member.role == Role::Supervisor)
        .map(|member| member.user_id)
        .collect();
    let desks = desks.into_iter().map(|(agency, _)| agency).collect();
    [(DESK, desks), (OFFICERS, officers), (SUPERVISORS, supervisors)]
        .into_iter()
        .filter_map(|(rota, crew): (Uuid, Vec<Uuid>)| Rota::new(always(rota, crew)).ok())
        .collect()
}

fn always(rota: Uuid, crew: Vec<Uuid>) -> Table {
    Table {
        rota,
        time_zone: "UTC".to_owned(),
        overlap: SignedDuration::ZERO,
        shifts: vec![Shift {
            days: Day::ALL.to_vec(),
            from: Time::midnight(),
            to: Time::midnight(),
            crew: Crew::Fixed(crew),
        }],
        holidays: std::collections::BTreeSet::new(),
        holiday_shifts: Vec::new(),
        exceptions: Vec::new(),
    }
}
