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
    /// A program, which may or may not be one that obeys.
    Machine,
    /// Reads, sums up or handles a text.
    Reader,
    /// Points at the text itself.
    This,
    Must,
    /// Asked for, given or left out.
    Consent,
    /// People a text may speak to.
    People,
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
        "ai ais ai's assistant* chatbot* gpt* chatgpt llm llms llm's agent agents claude gemini copilot openai bot bots bota botu botem bota ki ia ais ia's \
         assistent* asistent* asistente* assistente* assisten* ассистент* помощник* асистент* asistan* asystent* asszisztens* avustaj* tekoäly* \
         ии ші чат-бот* chatbota chatbocie chattbot* sprachmodell* taalmodel* språkmodell* ajan ajanlar* агент* agente agentes agenti agenter agenten agenci \
         asisten agen ai'ye zekâ* zeka* νοημοσύν* βοηθ* βοηθό* مساعد* المساعد* للمساعد* الوكيل* وكيل* ذكاء* الذكاء* للذكاء* עוזר* בינה دستیار* هوش \
         सहायक* एआई एजेंट* चैटबॉट* 助手 助理 人工 智能 智慧 机器 機器 어시스턴트* 비서* 에이전트* 인공지능* 챗봇* 조수* アシ エー チャ 人工 trợ tác chatbota",
    ),
    (
        Kind::Machine,
        "robot* model models model's modell* modelo* modelu modelem modèle* modello modelli system systems system's software program programs \
         programm programma programma's programa programme programmet programvar* программ* програм* модел* модель* машин* tool tools machine* automat* summariser* summarizer* \
         parser* crawler* indexer* scanner* logiciel* logiciels outil* oprogramowani* softwar* yazılım* modele modeller* ohjelm* malli* mallin szoftver* modellnek \
         πρόγραμμα μοντέλο النموذج نموذج برنامج للنموذج مدل* برنامه מודל למודל תוכנה मॉडल* प्रोग्राम* 模型 系统 系統 程序 软件 軟體 モデ ソフ システ プロ 모델* 시스템* 프로그램* 소프트웨어* \
         mô hình phần mềm perangkat lunak reader readers",
    ),
    (
        Kind::Reader,
        "read reads reading reader's process processes processing handle handles handling parse parses parsing index indexing crawl* summaris* summariz* digest sort sorting \
         screening liest lesen lesend* verarbeite* zusammenfass* zusammenfasst auswert* bearbeite* lit lisant lire traite* traiter résum* consult* lee lean lea leer proces* resum* \
         tramit* legge leggi leggono legger* elabor* riassum* lê lêem ler processar leest verwerk* samenvat* raadple* läser behandla* sammanfatta* czyta* przetwarza* streszcza* čte čtou \
         zpracov* shrnu* citește rezum* prelucr* lukeva* lukee tiivist* olvas* összefoglal* читает читают читать обрабат* пересказ* підсумов* обробл* читає διαβάζει συνοψίζ* επεξεργάζ* \
         okuyan okuyor özetle* işleyen يقرأ يلخص يلخّص يعالج يقرؤون می‌خواند خلاصه קורא* מסכם* מעבד पढ़ने पढ़* सार membaca meringkas memproses menangani đọc tóm 阅读 閱讀 总结 總結 摘要 处理 處理 浏览 \
         読む 読み 読ん 要約 処理 参照 읽는 읽고 요약* 처리*",
    ),
    (
        Kind::This,
        "this these here dieses diese dieser diesem diesen hier ce cet cette ces ceci ici este esta estos estas esto aquí questo questa questi queste isto deste desta \
         deze dit denna detta dessa här tego ten ta tym tę tuto tohoto tento toto zde acest această acestui tätä tämän tämä ezt ennek это этот эту этой этом эти это этого цей цю це цього цьому \
         αυτό αυτή αυτήν bu bunu buradaki هذا هذه هنا این זה הזה कोई इस इसे ini ยี่ นี้ này đây 本页 本文 本文件 此文 此处 这里 這裡 本站 この ここ これ 이 여기",
    ),
    (
        Kind::Must,
        "must shall should ought need needs needed required require requires muss müssen soll sollen sollte möge dürfen doit doivent devez devra devront tenu debe deben deberá deberán tiene tienen \
         deve devem devono dovrà dovranno precisa moet moeten dient dienen ska skall måste bör musi muszą powin* należy musejí musí trebuie obligat tulee pitää kell должн* обязан* следует \
         нужно необходим* надо повин* слід треба πρέπει οφείλει gerek* zorunda malı* meli* يجب ينبغي باید חייב חייבת צריך चाहिए phải cần harus wajib ต้อง 必须 必須 应当 应该 應該 需要 务必 \
         べき こと 반드시 해야* 한다",
    ),
    (
        Kind::Consent,
        "confirm* approv* consent* agree agreed agrees permission authoris* authoriz* asking ask ohne fragen nachfragen bestätig* zustimm* zugestimmt genehmig* rückfrage* freigabe \
         accord autoris* approuv* confirma* demander sans aprueb* aprob* permiso autoriza* preguntar sin consenso autorizz* conferma* senza chiedere aprov* perguntar sem bevestig* akkoord toestemming \
         zonder vragen godkän* bekräft* utan fråga zgod* potwierdz* zatwierdz* bez pytan* pytania souhlas* potvrz* schval* без спрос* подтвержд* соглас* одобр* разреш* підтвердж* погодж* \
         onay* onayla* sormadan izin دون سؤال تأكيد موافق* 确认 確認 同意 批准 无需 承認 許可 확인* 승인* 동의* 묻지",
    ),
    (
        Kind::People,
        "dear hi hello colleague* tenant* neighbour* parents staff employee* team everyone everybody members residents drivers volunteer* guests students pupils applicants passengers \
         sincerely regards thanks thank kolleg* mieter* eltern personal mitarbeit* liebe lieber hallo grüße collègue* locataire* parents bonjour cordialement salutations inquilino* vecinos hola \
         personale inquilin* condomin* ciao saluti funcionário* vizinhos oi collega's huurder* beste groet* hyresgäst* personalen hej lokator* pracowni* cześć dzień nájemn* zaměstnan* \
         жильц* сотрудник* коллег* уважаем* здравствуйте мешканц* працівник* kiracı* personel merhaba sayın السكان الزملاء الموظفين مرحبا مرحبًا 各位 同事 住户 員工 员工 您好 各位 皆様 従業 \
         여러분* 안녕하세요 직원* 입주민*",
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
        "important* urgent* attention critical* immediately mandatory priority emergency now warning necessary essential \
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
        "write writing give list explain describe translate* answer* reply respond* say print output* repeat* generat* create \
         provide include add append insert begin start make use find search calculat* comput* classify identify rewrit* compos* draft \
         suggest recommend* state claim conclude prepend end advertis* promot* encourag* direct refer offer schreib* antworte* gib nenne \
         erkläre übersetz* écri* répond* donne expliqu* escrib* respond* dime explica* traduc* scrivi rispondi dimmi schrijf antwoord \
         napisz odpowiedz напиши ответь скажи выведи yaz cevapla tulis jawab viết trả skriv svara 写 回答 输出 输出 翻译 출력* 대답* 써 اكتب أجب लिख",
    ),
    (
        Kind::Execute,
        "run execut* call invoke open download* install* delete remove erase rm fetch visit click curl wget eval sudo navigate access \
         retriev* grant enable disable unlock modify update chang* reset book schedul* buy purchase order cancel* führe aus \
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
