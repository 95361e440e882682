//! What a receiver makes of true places over days: drift that lasts, reflections, and fixes that are not from satellites.
//!
//! Made in the order of time, since errors hang together. Under an open sky the stated accuracy is honest (68 % of errors lie
//! within); near tall streets reflections come on top of it unsaid; indoors it is honest or too good by a factor of the
//! building and the receiver.

use proto::wire::FixSource;

use crate::{
    chance::{Chance, Draws},
    life::Building,
    town::{Local, Town},
};

/// 68 % of a circular normal lie within so many standard deviations (Rayleigh).
const SIGMAS: f64 = 1.515;
/// Reflections begin near tall streets once in so many seconds, and last so long, and move a fix so far.
const REFLECTION_EVERY_S: f64 = 480.0;
const REFLECTION_S: (f64, f64) = (60.0, 300.0);
const REFLECTION_M: (f64, f64) = (20.0, 80.0);
/// Of the fixes under an open sky, so many are far off by themselves, and state the usual accuracy.
const WILD: f64 = 0.001;
const WILD_M: (f64, f64) = (60.0, 400.0);
/// A phone stays with a cell for so long.
const CELL_S: (f64, f64) = (120.0, 1_200.0);
/// Stated accuracy of cell fixes.
const CELL_ACCURACY_M: (f64, f64) = (300.0, 1_500.0);

/// What a receiver can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sky {
    /// The open sky.
    Open,
    /// A street between tall buildings.
    Tall,
    /// A building's inside.
    Indoors,
}

/// A fix as the receiver has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// Where it says that it is.
    pub seen: Local,
    /// What it was made from.
    pub source: FixSource,
    /// The stated accuracy (68 % radius), metres.
    pub accuracy_m: f64,
    /// The statement is honest: over many such fixes, 68 % of errors lie within.
    pub honest: bool,
}

/// A receiver with a past.
pub(crate) struct Receiver<'a> {
    draws: Draws,
    town: &'a Town,
    towers: Vec<Local>,
    last_s: f64,
    /// The lasting error, in standard deviations.
    drift: (f64, f64),
    reflection: Option<(f64, Local)>,
    cell: Option<(f64, f64, Local)>,
}

impl<'a> Receiver<'a> {
    pub(crate) fn new(chance: Chance, person: u64, town: &'a Town) -> Self {
        let mut draws = chance.sequence("receiver", person);
        let drift = (draws.normal(), draws.normal());
        Self {
            draws,
            town,
            towers: town.towers(),
            last_s: 0.0,
            drift,
            reflection: None,
            cell: None,
        }
    }

    /// What is under way here; `building` when indoors.
    pub(crate) fn sky(place: Local, building: Option<&Building>) -> Sky {
        match building {
            Some(_) => Sky::Indoors,
            None if Town::is_tall(place) => Sky::Tall,
            None => Sky::Open,
        }
    }

    /// The fix at a time, later than the one before; `None`: the receiver finds no position.
    pub(crate) fn fix(&mut self, time_s: f64, place: Local, building: Option<&Building>) -> Option<Fix> {
        let elapsed_s = (time_s - self.last_s).max(0.0);
        self.last_s = time_s;
        match building {
            Some(building) => self.indoors(time_s, elapsed_s, place, building),
            None => Some(self.outdoors(time_s, elapsed_s, place)),
        }
    }

    fn outdoors(&mut self, time_s: f64, elapsed_s: f64, place: Local) -> Fix {
        self.cell = None;
        let tall = Town::is_tall(place);
        let (typical_m, spread, memory_s) = if tall { (11.0, 0.35, 90.0) } else { (5.0, 0.3, 60.0) };
        let radius_m = typical_m * (spread * self.draws.normal()).exp();
        let mut seen = self.satellites(place, radius_m, 0.7, elapsed_s, memory_s);
        let mut honest = true;
        let begins = self
            .draws
            .happens(1.0 - (-elapsed_s.min(600.0) / REFLECTION_EVERY_S).exp());
        let (lasts_s, far_m, angle) = (
            self.draws.between(REFLECTION_S.0, REFLECTION_S.1),
            self.draws.between(REFLECTION_M.0, REFLECTION_M.1),
            self.draws.between(0.0, std::f64::consts::TAU),
        );
        self.reflection = self.reflection.filter(|(until_s, _)| tall && *until_s > time_s);
        if self.reflection.is_none() && tall && begins {
            self.reflection = Some((time_s + lasts_s, polar(far_m, angle)));
        }
        if let Some((_, jump)) = self.reflection {
            seen = moved(seen, jump);
            honest = false;
        }
        let (wild, wild_m) = (self.draws.happens(WILD), self.draws.log_between(WILD_M.0, WILD_M.1));
        if wild {
            seen = moved(seen, polar(wild_m, angle));
            honest = false;
        }
        Fix {
            seen,
            source: FixSource::Gnss,
            accuracy_m: radius_m,
            honest,
        }
    }

    fn indoors(&mut self, time_s: f64, elapsed_s: f64, place: Local, building: &Building) -> Option<Fix> {
        self.reflection = None;
        let radius_m = building.radius_m * (0.25 * self.draws.normal()).exp();
        let seen = self.satellites(place, radius_m, 0.9, elapsed_s, building.memory_s);
        let which = self.draws.uniform();
        if let Some(beacon) = building.beacon.filter(|_| which < 0.8) {
            return Some(Fix {
                seen: beacon,
                source: FixSource::Beacon,
                accuracy_m: 10.0,
                honest: false,
            });
        }
        if let Some(cell) = self.cell.filter(|(until_s, ..)| *until_s > time_s) {
            return Some(cell_fix(cell));
        }
        self.cell = None;
        Some(match which {
            0.8..0.84 => return None,
            0.84..0.842 => {
                let cell = self.serve(time_s, place);
                self.cell = Some(cell);
                cell_fix(cell)
            }
            0.842..0.95 if building.wifi.is_some() => {
                let wrong = building.wifi.unwrap_or(Local { east: 0.0, north: 0.0 });
                let noise = Local {
                    east: 6.0 * self.draws.normal(),
                    north: 6.0 * self.draws.normal(),
                };
                Fix {
                    seen: moved(moved(place, wrong), noise),
                    source: FixSource::Wifi,
                    accuracy_m: building.wifi_accuracy_m,
                    honest: false,
                }
            }
            _ => Fix {
                seen,
                source: FixSource::Gnss,
                accuracy_m: radius_m * building.stated,
                honest: building.stated >= 1.0,
            },
        })
    }

    /// A satellite fix with a 68 % radius, of whose standard deviation a share lasts.
    fn satellites(&mut self, place: Local, radius_m: f64, lasting: f64, elapsed_s: f64, memory_s: f64) -> Local {
        // An Ornstein-Uhlenbeck process at the times of the fixes: exact for any distance between them.
        let kept = (-elapsed_s / memory_s).exp();
        let renewed = (1.0 - kept * kept).sqrt();
        self.drift = (
            kept * self.drift.0 + renewed * self.draws.normal(),
            kept * self.drift.1 + renewed * self.draws.normal(),
        );
        let (sigma, fresh) = (radius_m / SIGMAS, (1.0 - lasting * lasting).sqrt());
        Local {
            east: place.east + sigma * (lasting * self.drift.0 + fresh * self.draws.normal()),
            north: place.north + sigma * (lasting * self.drift.1 + fresh * self.draws.normal()),
        }
    }

    /// A cell to stay with: until when, its stated accuracy, its tower. 68 % of phones are nearer than the accuracy.
    fn serve(&mut self, time_s: f64, place: Local) -> (f64, f64, Local) {
        let until_s = time_s + self.draws.between(CELL_S.0, CELL_S.1);
        let accuracy_m = self.draws.log_between(CELL_ACCURACY_M.0, CELL_ACCURACY_M.1);
        let wanted_m = accuracy_m * self.draws.normal().hypot(self.draws.normal()) / SIGMAS;
        let miss = |tower: &Local| (tower.distance(place) - wanted_m).abs();
        let tower = self.towers.iter().copied().min_by(|a, b| miss(a).total_cmp(&miss(b)));
        (until_s, accuracy_m, tower.unwrap_or(place))
    }

    /// The town that the receiver is in.
    pub(crate) fn town(&self) -> &'a Town {
        self.town
    }
}

fn cell_fix((_, accuracy_m, tower): (f64, f64, Local)) -> Fix {
    Fix {
        seen: tower,
        source: FixSource::Cell,
        accuracy_m,
        honest: true,
    }
}

fn polar(length_m: f64, angle: f64) -> Local {
    Local {
        east: length_m * angle.sin(),
        north: length_m * angle.cos(),
    }
}

fn moved(place: Local, by: Local) -> Local {
    Local {
        east: place.east + by.east,
        north: place.north + by.north,
    }
}
