//! Words by what they do in a sentence, in some twenty languages: to take back, earlier, rules, an assistant, to send,
//! secrets, and so on. What an attack says in words that were never learnt it often says in this order, so n-grams of
//! kinds carry over from one family of attacks, and from one language, to another.

use std::sync::LazyLock;

use super::features::mix;

/// What a word does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    Override = 1,
    Earlier,
    Rules,
    Assistant,
    Send,
    Secret,
    Hide,
    Urgent,
    Persona,
    Produce,
    Execute,
    You,
    Question,
    Answer,
    Ethics,
    Never,
    Polite,
    Harm,
    Address,
    User,
}

/// Words of each kind; a star stands for any ending.
const WORDS: &[(Kind, &str)] = &[
    (
        Kind::Override,
        "ignor* disregard* forget* overrid* bypass* neglect* discard* overlook* abandon* supersed* circumvent* replac* \
         cancel* stop instead missacht* vergiss* oubli* olvid* dimentic* esque* negeer* vergeet* zignor* pomiń zapomnij \
         игнорир* забуд* отмен* ігнор* abaikan lupakan unut* yoksay glöm glem αγνό* ξέχνα* 忽略 无视 無視 忘记 忘掉 무시* 잊어* تجاهل* انس* \
         अनदेखा bỏ ignoră uită התעלם injoro*",
    ),
    (
        Kind::Earlier,
        "previous* prior above earlier preceding former foregoing original* initial* existing vorherig* bisherig* früher* obig* \
         précédent* antérieur* anterior* previ* preceden* eerder* vorig* poprzedni* wcześniej* предыдущ* прежн* ранее попередн* \
         önceki sebelumnya trước tidigare tidligere 之前 以上 先前 此前 前述 이전* السابق* पिछले anterioare προηγούμεν*",
    ),
    (
        Kind::Rules,
        "instruct* prompt* directive* guideline* rule rules command* order orders policy policies restrict* limitation* filter* \
         constraint* guardrail* safeguard* protocol* programming anweis* regel* vorgabe* befehl* richtlinie* consigne* règle* \
         instruc* orden* regla* istruz* regol* ordini regra* opdracht* polece* zasad* инструкц* указан* правил* команд* вказів* \
         talimat* kural* instruksi aturan lệnh hướng instruktion* instruksjon* anvisning* οδηγί* 指令 指示 规则 規則 提示 命令 지시* 규칙* 명령* \
         تعليمات* निर्देश* हिदायत instrucțiun*",
    ),
    (
        Kind::Assistant,
        "ai assistant* chatbot* gpt* chatgpt llm llms model models agent agents bot claude gemini copilot openai system ki ia \
         assistent* asistent* asistente* assistente* ассистент* помощник* модел* asistan* 助手 模型 系统 系統 助理 조수* 시스템* مساعد* सहायक βοηθ*",
    ),
    (
        Kind::Send,
        "send sends sending forward email emails e-mail mail upload* share transmit* exfiltrat* leak* submit* deliver* transfer* \
         wire pay paying withdraw* donate* post posts invite* text texting schick* send* sende* weiterleit* überweis* envoi* envoy* transf* \
         env* mand* invia* inoltra* verzend* stuur* wyśl* prześl* отправ* перешл* переведи gönder* kirim* gửi skicka* στείλ* 发送 发给 转发 送信 送って \
         보내* أرسل* भेज* trimite*",
    ),
    (
        Kind::Secret,
        "password* passwd passcode* credential* api key keys token tokens secret* ssh private confidential* sensitive account* card \
         cards bank ssn pin login* cookie* session personal passwort* kennwort* zugangs* contraseñ* clave* secreto* mot passe identifiant* \
         senha* segreto wachtwoord* hasł* парол* секрет* ключ* şifre* kata sandi mật khẩu lösenord* κωδικ* 密码 密碼 密钥 秘密 机密 비밀* كلمات सर पासवर्ड",
    ),
    (
        Kind::Hide,
        "mention* tell telling reveal* disclos* inform* notif* secretly silently quietly without hide hidden conceal* confidentially \
         unnoticed discreet* verrat* erwähn* heimlich verschweig* sans dire mentionne* révèle* sin decir mencion* revel* senza dirlo \
         rivel* zonder wspomin* не сообщ* упомин* раскр* söyleme jangan 不要 不得 透露 告诉 泄露 말하지 تخبر बताए",
    ),
    (
        Kind::Urgent,
        "important* urgent* attention critical* immediately mandatory must required priority emergency now warning necessary essential \
         wichtig* dringend* sofort achtung unbedingt urgente* importan* inmediat* immédiat* obligatoire subito belangrijk ważn* pilne \
         важн* срочн* немедленно önemli penting segera quan trọng viktig* 重要 紧急 緊急 立即 必须 必須 중요* 즉시 هام عاجل",
    ),
    (
        Kind::Persona,
        "act acting pretend* roleplay* role-play role simulat* character persona imagin* dan jailbreak* unfiltered uncensored amoral \
         unrestricted unlimited evil hypothetical* fiction* fantasy story novel scene screenplay scenario game villain mode developer \
         debug god unethical unbiased dystopi* alter ego impersonat* embody spiel* tu así fais jouer finge* 扮演 假装 角色",
    ),
    (
        Kind::Produce,
        "write writing give list explain describe translate* summari* answer* reply respond* say print output* repeat* generat* create \
         provide include add append insert begin start make use find search calculat* comput* classify identify rewrit* compos* draft \
         suggest recommend* state claim conclude prepend end advertis* promot* encourag* direct refer offer schreib* antworte* gib nenne \
         erkläre übersetz* écri* répond* donne expliqu* escrib* respond* dime explica* traduc* scrivi rispondi dimmi schrijf antwoord \
         napisz odpowiedz напиши ответь скажи выведи yaz cevapla tulis jawab viết trả skriv svara 写 回答 输出 输出 翻译 출력* 대답* 써 اكتب أجب लिख",
    ),
    (
        Kind::Execute,
        "run execut* call invoke open download* install* delete remove erase rm fetch visit click curl wget eval sudo navigate access \
         retriev* read grant enable disable unlock approv* modify update chang* reset book schedul* buy purchase order cancel* führe aus \
         lösche öffne exécut* supprim* ouvr* ejecut* borr* abr* esegui* cancella* voer wykonaj usuń выполни удали запусти çalıştır sil \
         jalankan hapus chạy xóa kör 执行 运行 删除 打开 実行 削除 실행* 삭제* نفذ احذف",
    ),
    (
        Kind::You,
        "you your yours yourself you're you'll you've du dein* sie ihr* tu te ton votre vous tú usted su sus você seu sua voi tuo jij je \
         jouw ty twój ты твой вы ваш* sen senin kamu anda bạn 你 您 你的 あなた 당신*",
    ),
    (
        Kind::Question,
        "what how why who when where which can could would should is are does do did was wie warum wer qué cómo comment pourquoi",
    ),
    (
        Kind::Answer,
        "answer response* reply output summary conversation* chat message* query request* task* question* instruction context document \
         text content result* above following antwort* aufgabe* anfrage* réponse* tâche respuesta* tarea* risposta* compito resposta tarefa \
         antwoord taak odpowied* zadani* ответ* задач* запрос* 回答 任务 问题 请求 回复 タスク 작업*",
    ),
    (
        Kind::Ethics,
        "ethic* moral* legal* illegal* law laws unlawful immoral harmful dangerous warning* disclaimer* refus* apolog* sorry cannot \
         consequence* responsib* censor* allowed permitted prohibit* forbidden inappropriate offensive explicit bias* controversial \
         appropriate comply compliance hate* discriminat* justif* glorif*",
    ),
    (
        Kind::Never,
        "never always not don't dont do nothing any all every no none only solely nie niemals immer kein* nicht jamais toujours aucun* \
         tout* nunca siempre ningun* todo* todas mai sempre tutti tutte никогда всегда все 任何 所有 永远 モード すべて 모든 كل جميع सभी",
    ),
    (
        Kind::Polite,
        "please kindly bitte veuillez favor per alsjeblieft proszę пожалуйста lütfen tolong xin 请 請 ください",
    ),
    (
        Kind::Harm,
        "kill* bomb* weapon* drug* hack* steal* murder* attack* virus* malware poison* explosiv* terror* suicid* racis* fraud* scam* \
         phish* abus* violen* stalk* smuggl* launder* counterfeit* forg* kidnap* tortur* rape* assault* shoot* theft extort* blackmail* \
         exploit* genocid* eugenic* extrem* supremac* propaganda manipulat* destroy* crime* criminal* cyber* ransom* blow anorexi* cocaine \
         meth heroin porn* sexual* underage minor minors child sabotag* bully* harass* deceiv* deceptive persuasive conspir*",
    ),
    (
        Kind::Address,
        "http https www com url urls link links website webpage site onion net example",
    ),
    (
        Kind::User,
        "user users human operator administrator admin developer owner customer nutzer benutzer utilisateur usuario utente usuário gebruiker użytkownik пользовател* kullanıcı pengguna 用户 用戶 ユーザー 사용자*",
    ),
];

/// Characters of a stem that are looked up.
const STEM: std::ops::RangeInclusive<usize> = 2..=9;
/// Bits that most words fail to find, so that they cost one look.
const BITS: usize = 1 << 15;

struct Lexicon {
    bits: Vec<u64>,
    /// Hash and kind of whole words and of stems, in order.
    whole: Vec<(u64, Kind)>,
    stems: Vec<(u64, Kind)>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon {
        bits: vec![0; BITS / 64],
        whole: Vec::new(),
        stems: Vec::new(),
    };
    for (kind, words) in WORDS {
        for word in words.split_whitespace() {
            match word.strip_suffix('*') {
                Some(stem) => lexicon.stems.push((hash(stem), *kind)),
                None => lexicon.whole.push((hash(word), *kind)),
            }
        }
    }
    let Lexicon { bits, whole, stems } = &mut lexicon;
    for list in [whole, stems] {
        // A word of two kinds is of the first.
        list.sort_by_key(|(hash, kind)| (*hash, *kind));
        list.dedup_by_key(|(hash, _)| *hash);
        for (hash, _) in list.iter() {
            if let Some(bits) = bits.get_mut(bit(*hash) / 64) {
                *bits |= 1 << (bit(*hash) % 64);
            }
        }
    }
    lexicon
});

/// The hash of the tokenizer.
fn hash(word: &str) -> u64 {
    word.chars()
        .flat_map(char::to_lowercase)
        .fold(START, |hash, c| mix(hash, u64::from(c)))
}

/// Where a word's hash starts.
pub(super) const START: u64 = 0xcbf2_9ce4_8422_2325;

const fn bit(hash: u64) -> usize {
    (hash >> 49) as usize % BITS
}

fn find(list: &[(u64, Kind)], hash: u64) -> Option<Kind> {
    let at = list.partition_point(|(other, _)| *other < hash);
    list.get(at)
        .filter(|(other, _)| *other == hash)
        .map(|(_, kind)| *kind)
}

/// Reads a word's kind while it is hashed.
pub(super) struct Look {
    lexicon: &'static Lexicon,
    stem: Option<Kind>,
}

impl Look {
    pub(super) fn new() -> Self {
        Self {
            lexicon: &LEXICON,
            stem: None,
        }
    }

    fn may(&self, hash: u64) -> bool {
        let bits = self.lexicon.bits.get(bit(hash) / 64).copied().unwrap_or(0);
        bits >> (bit(hash) % 64) & 1 == 1
    }

    /// After the first `count` characters.
    pub(super) fn step(&mut self, count: usize, hash: u64) {
        if STEM.contains(&count) && self.may(hash) {
            self.stem = find(&self.lexicon.stems, hash).or(self.stem);
        }
    }

    /// After the last.
    pub(super) fn end(&self, hash: u64) -> Option<Kind> {
        if self.may(hash)
            && let Some(kind) = find(&self.lexicon.whole, hash)
        {
            return Some(kind);
        }
        self.stem
    }

    /// Two signs of a script without spaces.
    pub(super) fn pair(first: char, second: char) -> Option<Kind> {
        let look = Self::new();
        let hash = mix(mix(START, u64::from(first)), u64::from(second));
        look.may(hash).then(|| find(&look.lexicon.whole, hash)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(word: &str) -> Option<Kind> {
        let mut look = Look::new();
        let mut whole = START;
        for (at, c) in word.chars().flat_map(char::to_lowercase).enumerate() {
            whole = mix(whole, u64::from(c));
            look.step(at + 1, whole);
        }
        look.end(whole)
    }

    #[test]
    fn words_of_many_languages_have_their_kind() {
        for word in [
            "Ignore",
            "ignorez",
            "Ignoriere",
            "Vergiss",
            "игнорируй",
            "تجاهل",
            "무시하고",
            "abaikan",
        ] {
            assert_eq!(kind(word), Some(Kind::Override), "{word}");
        }
        for word in [
            "instructions",
            "Anweisungen",
            "instrucciones",
            "istruzioni",
            "инструкции",
            "talimatları",
        ] {
            assert_eq!(kind(word), Some(Kind::Rules), "{word}");
        }
        assert_eq!(Look::pair('忽', '略'), Some(Kind::Override));
        assert_eq!(Look::pair('城', '堡'), None);
        for word in ["castle", "tower", "ign", ""] {
            assert_eq!(kind(word), None, "{word}");
        }
    }
}
