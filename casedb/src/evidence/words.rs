//! The fixed texts of the pages and of the bundle.

use alerts::Locale;

/// In every bundle.
pub(super) const README: &str = "Evidence of an incident, from Homeward.

incident.json       the incident: its events with their explanations, what was done, messages
orders.json         the orders that its events stand on
devices.json        the devices that were worn
rules.json          the revisions of the rules that decided (homeward.v1.Rules, hexadecimal)
zones.geojson       the zone at the revisions that decided
fixes.json          positions around the incident; fixes.geojson: the same for maps
audit.json          rows of record, what the audit says of each, and proofs up to signed states
evidence.pdf        to be printed
manifest.json       size and SHA-256 of every file; manifest.sig: its signature (ed25519)
homeward-verify.py  verifies all of this without Homeward and without a network:

    python3 homeward-verify.py BUNDLE.zip --public-key KEY

Take the program and the agency's public key from a place that you trust, not from here.

\u{672c}\u{538b}\u{7f29}\u{5305}\u{4e3a} Homeward \u{4e8b}\u{4ef6}\u{8bc1}\u{636e}\u{ff0c}\u{53ef}\u{79bb}\u{7ebf}\u{6838}\u{9a8c}\u{ff1a}\u{8bf7}\u{4ece}\u{53ef}\u{4fe1}\u{6765}\u{6e90}\u{53d6}\u{5f97}\u{6838}\u{9a8c}\u{7a0b}\u{5e8f}\u{4e0e}\u{673a}\u{6784}\u{516c}\u{94a5}\u{3002}
";

/// A heading or a label of the pages.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    Title,
    Number,
    Person,
    Kind,
    State,
    Began,
    Ended,
    Zone,
    AskedBy,
    Purpose,
    Case,
    Made,
    Events,
    Orders,
    Devices,
    Actions,
    Messages,
    Map,
    Fixes,
    Time,
    Times,
    Offsets,
    Escapes,
    Latitude,
    Longitude,
    Accuracy,
    Source,
    Hashes,
    System,
    Rules,
    Page,
    None,
    Truncated,
    Verify,
}

pub(super) const fn say(word: Word, locale: Locale) -> &'static str {
    let (en, zh) = match word {
        Word::Title => ("Evidence of an incident", "事件证据"),
        Word::Number => ("Incident", "事件编号"),
        Word::Person => ("Person", "人员"),
        Word::Kind => ("What", "类型"),
        Word::State => ("State", "状态"),
        Word::Began => ("Began", "开始时间"),
        Word::Ended => ("Ended", "结束时间"),
        Word::Zone => ("Zone", "区域"),
        Word::AskedBy => ("Made for", "申请人"),
        Word::Purpose => ("Purpose", "用途"),
        Word::Case => ("Case", "案号"),
        Word::Made => ("Made", "生成时间"),
        Word::Events => ("Events and why they were decided", "违规记录及判定依据"),
        Word::Orders => ("Orders", "监管决定"),
        Word::Devices => ("Devices", "设备"),
        Word::Actions => ("What was done", "处置经过"),
        Word::Messages => ("Messages", "通知"),
        Word::Map => ("Sketch map (north is up)", "示意图（上北）"),
        Word::Fixes => ("Positions", "定位记录"),
        Word::Time => ("Time", "时间"),
        Word::Times => ("Times", "时间标准"),
        Word::Offsets => (
            "local times, the offset from UTC beside each; the JSON files have UTC",
            "当地时间，均注明与 UTC 的时差；JSON 文件中为 UTC",
        ),
        Word::Escapes => (
            "[U+…]: the number in Unicode of a character that this face cannot show; the JSON files have the character itself.",
            "[U+…]：本页字体无法显示的字符的 Unicode 编号；JSON 文件中为该字符本身。",
        ),
        Word::Latitude => ("Latitude", "纬度"),
        Word::Longitude => ("Longitude", "经度"),
        Word::Accuracy => ("Accuracy", "精度"),
        Word::Source => ("Source", "来源"),
        Word::Hashes => ("SHA-256 of the files of this bundle", "本证据包各文件的 SHA-256"),
        Word::System => ("the system", "系统"),
        Word::Rules => ("rules revision", "规则版本"),
        Word::Page => ("Page", "页"),
        Word::None => ("none", "无"),
        Word::Truncated => ("There are more; the newest are given.", "记录过多，仅列出最新部分。"),
        Word::Verify => (
            "The manifest of the bundle is signed; homeward-verify.py verifies it without Homeward.",
            "证据包清单已签名，可用 homeward-verify.py 独立核验。",
        ),
    };
    match locale {
        Locale::En => en,
        Locale::ZhCn => zh,
    }
}
