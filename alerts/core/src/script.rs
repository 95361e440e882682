//! Letters of other spellings of one name: what stands for them where names are compared, not where they are shown.

/// A letter that has no parts for normalisation to take away, in plain ones: `ł`, `ß`, `đ`. Small letters only.
pub(crate) const fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ł' | 'ƚ' => "l",
        'ß' => "ss",
        'đ' | 'ð' | 'ɖ' => "d",
        'ø' => "o",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ŋ' => "ng",
        'ŧ' => "t",
        'ƶ' => "z",
        'ə' => "e",
        'ĸ' => "k",
        'ſ' => "s",
        _ => return None,
    })
}

/// Characters of which each may be a part of a name that is written without spaces.
pub(crate) const fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}')
}

/// The simplified form of a traditional character; itself where [`TRADITIONAL`] has none.
pub(crate) fn simplified(letter: char) -> char {
    // Nearly all text is done with here.
    if letter < '\u{4e00}' {
        return letter;
    }
    let mut letters = TRADITIONAL.chars();
    while let (Some(traditional), Some(simple)) = (letters.next(), letters.next()) {
        if traditional == letter {
            return simple;
        }
    }
    letter
}

/// Traditional characters of surnames, given names and addresses, each before its simplified form. No dictionary: what is missing is
/// compared as it is written.
const TRADITIONAL: &str = "\
    陳陈張张劉刘楊杨趙赵黃黄吳吴孫孙馬马羅罗鄭郑謝谢韓韩許许鄧邓馮冯蕭萧葉叶蔣蒋賈贾鍾钟鐘钟閻阎顧顾龍龙萬万錢钱湯汤喬乔賴赖龔龚嚴严蘇苏盧卢陸陆範范呂吕\
    魯鲁韋韦竇窦龐庞齊齐蘭兰溫温莊庄聶聂塗涂欒栾紀纪項项儲储單单諸诸歐欧陽阳畢毕鄔邬滿满鄒邹鞏巩婁娄遲迟習习閔闵駱骆麥麦岡冈蒼苍儀仪寧宁賓宾應应衛卫費费\
    華华嶽岳連连買买談谈榮荣烏乌厲厉東东關关釋释繆缪闞阚國国軍军強强偉伟傑杰輝辉麗丽靜静紅红艷艳豔艳鳳凤鵬鹏飛飞濤涛剛刚銳锐鋭锐鋒锋鋼钢鐵铁銀银錦锦\
    鈞钧鳴鸣鴻鸿鶴鹤鵑鹃鸞鸾鷗鸥鷹鹰魚鱼鯤鲲點点龜龟齡龄慶庆夢梦蓮莲蔭荫藝艺藍蓝葦苇蘆芦薈荟薩萨蘊蕴義义翹翘聖圣聰聪聯联職职肅肃勝胜興兴舉举舊旧見见觀观\
    覺觉親亲覽览詠咏詩诗誠诚誼谊語语論论諾诺謙谦講讲識识譚谭譜谱議议護护讀读讓让贊赞讚赞贇赟賢贤質质賜赐賀贺貴贵貝贝貞贞財财貫贯貽贻賦赋購购趕赶躍跃\
    軒轩軻轲載载輕轻輪轮輯辑轉转農农運运進进遠远適适遙遥遷迁選选遼辽還还邁迈鄉乡鄰邻醫医釗钊針针鈴铃鉑铂銘铭銓铨銅铜錄录錚铮錫锡鍵键鎮镇鎧铠鏡镜鐸铎鑑鉴鑒鉴\
    長长門门閃闪開开閏闰間间閣阁閱阅闊阔闖闯隊队階阶際际隨随險险隱隐雋隽雙双雜杂雞鸡離离難难雲云電电霧雾靈灵韌韧韻韵響响頂顶順顺須须預预頌颂頎颀頓顿頡颉\
    領领頤颐頻频題题顏颜願愿類类顯显風风颯飒颺扬揚扬飄飘餘余養养館馆馳驰駒驹駿骏騁骋騰腾騫骞驍骁驕骄驗验驚惊體体髮发發发鮑鲍鮮鲜鯉鲤鷺鹭鸝鹂齋斋佈布來来侖仑\
    俠侠倫伦側侧偵侦傳传債债傷伤傾倾僑侨億亿優优儉俭兒儿兩两冊册凍冻凱凯別别則则創创劃划劇剧劍剑勁劲動动務务勛勋勳勋勞劳勢势勵励勸劝區区協协參参叢丛員员啟启\
    啓启喚唤嘯啸嚮向囑嘱園园圍围圓圆圖图團团堅坚報报場场塊块塵尘墾垦壇坛壩坝壯壮壽寿夾夹奮奋奧奥妝妆姍姗娛娱婭娅媽妈嫻娴嫺娴嬌娇嬋婵學学實实寬宽寶宝寵宠\
    審审將将專专尋寻對对導导屆届層层屬属島岛峽峡崗岗崢峥嵐岚嶸嵘嶺岭嶼屿巖岩帥帅師师帶带幫帮幾几庫库廈厦廚厨廟庙廠厂廣广廬庐廳厅彌弥彎弯彥彦徑径從从復复徵征\
    憶忆憲宪懷怀懇恳戀恋戰战戲戏戶户挾挟掃扫採采揮挥換换搖摇撫抚擁拥擇择擊击擔担據据擴扩數数敵敌斂敛斷断時时晉晋晝昼暉晖暢畅曄晔曉晓曆历歷历曠旷書书會会朧胧條条\
    棟栋棗枣楓枫業业極极構构槍枪樂乐樓楼標标樞枢樣样樸朴樹树橋桥機机檢检檸柠櫻樱權权欄栏歡欢歲岁歸归氣气決决沖冲況况淨净淚泪淵渊淺浅渾浑湧涌準准溝沟滄沧滬沪\
    漁渔漢汉漣涟漲涨漸渐潔洁潤润澤泽濃浓濟济濱滨瀅滢瀏浏瀟潇瀾澜灃沣灑洒灣湾無无煒炜煥焕煬炀熱热熾炽燁烨燈灯燒烧燦灿營营爍烁爐炉爭争爺爷爾尔牆墙狀状獅狮\
    獎奖獨独獻献現现瑋玮瑤瑶瑩莹瑪玛璉琏璦瑷環环瓊琼瓏珑璽玺產产甯宁畫画異异當当療疗皚皑盤盘監监矚瞩碩硕確确礎础禎祯禕祎禮礼禪禅種种稱称穎颖積积穩稳窮穷筆笔\
    節节築筑簡简簽签籌筹籃篮粵粤糧粮紋纹納纳紓纾純纯紗纱紜纭細细紳绅紹绍終终組组結结絡络給给絢绚統统絲丝經经綠绿維维綱纲網网綸纶綺绮綽绰綾绫綿绵緒绪緣缘編编\
    緯纬練练縈萦縣县縱纵績绩織织繡绣繪绘繼继續续纓缨罷罢羨羡膽胆臘腊臨临艦舰萊莱葒荭薔蔷薦荐虛虚號号螢萤蟬蝉衆众眾众術术裏里裡里補补製制複复訂订計计訊讯記记\
    訪访設设証证證证評评詞词試试詳详認认調调請请諒谅諧谐謀谋謹谨譽誉變变豐丰負负責责貿贸資资贏赢軟软較较輔辅輿舆達达違违遞递郵邮鄺邝酈郦鄲郸鎂镁鏈链鏗铿鑄铸鑰钥\
    陝陕陣阵隴陇雛雏靚靓韜韬頁页頭头顥颢飲饮飾饰騎骑騏骐驊骅驛驿驪骊鬱郁鳥鸟鳶鸢鴛鸳鴦鸯鵝鹅鸚鹦鹽盐黨党昇升後后於于";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_table_is_of_pairs_that_end() {
        let letters: Vec<char> = TRADITIONAL.chars().collect();
        assert!(
            letters.iter().all(|letter| is_unspaced(*letter)),
            "blanks among the pairs"
        );
        let mut pairs = BTreeMap::new();
        for pair in letters.chunks(2) {
            let [traditional, simple] = pair else {
                panic!("{pair:?}")
            };
            assert_ne!(traditional, simple);
            assert_eq!(pairs.insert(*traditional, *simple), None, "{traditional} twice");
        }
        assert!(pairs.len() > 600, "{}", pairs.len());
        for simple in pairs.values() {
            assert!(!pairs.contains_key(simple), "{simple} is no simplified character");
        }
        assert_eq!(simplified('陳'), '陈');
        assert_eq!(simplified('陈'), '陈');
        assert_eq!(simplified('x'), 'x');
    }
}
