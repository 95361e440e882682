use proptest::prelude::*;

use super::*;

fn carrier(name: &str) -> Shared {
    Shared::Carrier(name.into())
}

fn model(name: &str) -> Shared {
    Shared::Model(name.into())
}

/// Person `n` of a town of two carriers (even and odd) and four models.
fn sighting(n: u128, family: Family) -> Sighting {
    Sighting {
        incident: Uuid::from_u128(1000 + n),
        person: PersonId::new(Uuid::from_u128(n)),
        risk_level: i16::try_from(n % 4).unwrap() + 1,
        family,
        severity: Severity::P3,
        audience: Audience::Both,
        onset_at: Timestamp::from_second(i64::try_from(n).unwrap()).unwrap(),
        shared: BTreeSet::from([
            carrier(if n.is_multiple_of(2) { "east" } else { "west" }),
            model(&format!("m{}", n % 4)),
        ]),
    }
}

fn town(people: u128) -> Population {
    let mut population = Population::default();
    for n in 0..people {
        population.all += 1;
        for shared in sighting(n, Family::Silence).shared {
            *population.of.entry(shared).or_default() += 1;
        }
    }
    population
}

fn found(sightings: &[Sighting], people: u128) -> Vec<Cause> {
    find(sightings, &town(people), &Thresholds::default())
}

#[test]
fn a_carrier_that_fails_is_one_cause_ranked_by_risk() {
    let hit: Vec<_> = (0..100)
        .filter(|n| n % 2 == 0)
        .map(|n| sighting(n, Family::Silence))
        .collect();
    let causes = found(&hit, 200);
    let [cause] = causes.as_slice() else {
        panic!("{causes:?}")
    };
    assert_eq!(cause.key(), "cause:silence:carrier:east");
    assert_eq!(cause.concerned.len(), 50);
    assert!(
        cause
            .concerned
            .is_sorted_by_key(|one| (one.severity, one.risk_level, one.onset_at))
    );
    assert!(cause.concerned.iter().all(|one| !one.raised));
}

#[test]
fn a_model_that_fails_is_not_its_carrier() {
    let hit: Vec<_> = (0..200)
        .filter(|n| n % 4 == 1)
        .map(|n| sighting(n, Family::NoFix))
        .collect();
    let causes = found(&hit, 200);
    let shared: Vec<_> = causes.iter().map(|cause| &cause.shared).collect();
    assert_eq!(
        shared,
        [&model("m1")],
        "it explains as many as the carrier, and is narrower"
    );
}

#[test]
fn when_everybody_is_hit_it_is_the_platform() {
    let hit: Vec<_> = (0..80).map(|n| sighting(n, Family::Silence)).collect();
    let causes = found(&hit, 100);
    let [cause] = causes.as_slice() else {
        panic!("{causes:?}")
    };
    assert_eq!(
        (cause.key().as_str(), cause.severity),
        ("cause:silence:platform", Severity::P1)
    );
}

#[test]
fn each_p1_and_each_tamper_is_raised_by_itself() {
    let mut hit: Vec<_> = (0..40).map(|n| sighting(2 * n, Family::Silence)).collect();
    hit[7].severity = Severity::P1;
    let causes = found(&hit, 200);
    let raised: Vec<_> = causes[0]
        .concerned
        .iter()
        .filter(|one| one.raised)
        .map(|one| one.incident)
        .collect();
    assert_eq!(raised, [hit[7].incident]);
    assert_eq!(causes[0].concerned[0].incident, hit[7].incident, "and comes first");
    assert_eq!(causes[0].severity, Severity::P1);
    let straps: Vec<_> = (0..40).map(|n| sighting(2 * n, Family::Strap)).collect();
    assert!(found(&straps, 200)[0].concerned.iter().all(|one| one.raised));
}

#[test]
fn chance_and_conduct_are_no_cause() {
    let few: Vec<_> = (0..4).map(|n| sighting(2 * n, Family::Silence)).collect();
    assert_eq!(found(&few, 200), []);
    let spread: Vec<_> = (0..20).map(|n| sighting(n, Family::Silence)).collect();
    assert_eq!(found(&spread, 1000), [], "2 % of everybody");
    let curfew: Vec<_> = (0..100).map(|n| sighting(2 * n, Family::Curfew)).collect();
    assert_eq!(
        found(&curfew, 200),
        [],
        "people who go out together have no technical fault"
    );
    let mut old: Vec<_> = (0..100).map(|n| sighting(2 * n, Family::Silence)).collect();
    for (sighting, hours) in old.iter_mut().zip(0_i32..) {
        sighting.onset_at = Timestamp::from_second(i64::from(hours) * 3600).unwrap();
    }
    assert_eq!(found(&old, 200), [], "one an hour is no outage");
}

proptest! {
    #[test]
    fn nobody_is_in_two_causes_and_no_p1_is_hidden(
        hit in prop::collection::vec((0_u128..60, 0_usize..3, 1_i16..=4), 0..80),
        people in 60_u128..200,
    ) {
        let families = [Family::Silence, Family::NoFix, Family::Strap];
        let mut sightings: Vec<Sighting> = Vec::new();
        for (n, (person, family, level)) in (0_u128..).zip(hit) {
            let mut one = sighting(person, families[family]);
            one.incident = Uuid::from_u128(n);
            one.severity = Severity::from_level(level).unwrap();
            sightings.push(one);
        }
        let causes = found(&sightings, people);
        let mut seen = BTreeSet::new();
        for cause in &causes {
            prop_assert!(cause.concerned.is_sorted_by_key(|one| (one.severity, one.risk_level)));
            for one in &cause.concerned {
                prop_assert!(seen.insert(one.incident));
                let own = sightings.iter().find(|own| own.incident == one.incident).unwrap();
                prop_assert!(has(own, &cause.shared) && own.family == cause.family);
                prop_assert_eq!(one.raised, own.severity == Severity::P1 || own.family == Family::Strap);
                prop_assert!(cause.severity <= one.severity);
            }
        }
        let keys: BTreeSet<String> = causes.iter().map(Cause::key).collect();
        prop_assert_eq!(keys.len(), causes.len());
    }
}

/// The same town by cells of ten people each, which the carriers share.
fn in_cell(n: u128, family: Family) -> Sighting {
    let mut one = sighting(n, family);
    one.shared.insert(Shared::Cell(format!("460-00-1-{}", n / 10)));
    one
}

fn celled(people: u128) -> Population {
    let mut population = Population::default();
    for n in 0..people {
        population.all += 1;
        for shared in in_cell(n, Family::Silence).shared {
            *population.of.entry(shared).or_default() += 1;
        }
    }
    population
}

#[test]
fn a_cell_that_fails_is_neither_its_carriers_nor_its_models_fault() {
    let mut hit: Vec<_> = (30..40).map(|n| in_cell(n, Family::Silence)).collect();
    hit[3].severity = Severity::P1;
    // Somebody elsewhere, by chance.
    hit.push(in_cell(77, Family::Silence));
    let causes = find(&hit, &celled(400), &Thresholds::default());
    let [cause] = causes.as_slice() else {
        panic!("{causes:?}")
    };
    assert_eq!(cause.shared.words(), "cell 460-00-1-3");
    assert_eq!(cause.concerned.len(), 10);
    let raised: Vec<_> = cause
        .concerned
        .iter()
        .filter(|one| one.raised)
        .map(|one| one.incident)
        .collect();
    assert_eq!(raised, [hit[3].incident]);
}

proptest! {
    /// Whatever fails, in whatever order it is read: everybody with it is listed once, the most urgent first and then by risk, and each P1 is
    /// raised by itself.
    #[test]
    fn causes_rank_by_risk_and_do_not_hang_on_the_order(
        cell in 0_u128..20, others in prop::collection::btree_set(0_u128..200, 0..12), levels in prop::collection::vec((1_i16..=4, 1_i16..=4), 200),
        seed: u64,
    ) {
        let people: BTreeSet<u128> = (cell * 10..cell * 10 + 10).chain(others).collect();
        let mut hit: Vec<Sighting> = people.iter().map(|n| {
            let (severity, risk_level) = levels[usize::try_from(*n).unwrap()];
            Sighting { severity: Severity::from_level(severity).unwrap(), risk_level, ..in_cell(*n, Family::Silence) }
        }).collect();
        let causes = find(&hit, &celled(200), &Thresholds::default());
        hit.sort_by_key(|one| one.incident.as_u128().wrapping_mul(u128::from(seed) | 1));
        prop_assert_eq!(&causes, &find(&hit, &celled(200), &Thresholds::default()));
        let own = causes.iter().find(|cause| cause.shared == Shared::Cell(format!("460-00-1-{cell}")));
        if let Some(own) = own {
            prop_assert_eq!(own.concerned.len(), 10, "everybody of the cell");
        } else {
            // Something that explains more people has taken them all.
            let most = causes.iter().map(|cause| cause.concerned.len()).max().unwrap_or(0);
            prop_assert!(most >= 10, "{:?}", causes);
        }
        for cause in &causes {
            let ranks: Vec<_> = cause.concerned.iter().map(|one| (one.severity, one.risk_level)).collect();
            prop_assert!(ranks.is_sorted());
            for one in &cause.concerned {
                prop_assert!(one.raised || one.severity != Severity::P1);
            }
        }
    }
}
