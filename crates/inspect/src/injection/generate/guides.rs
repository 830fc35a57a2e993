//! Harmless texts about prompting: guides, cheat sheets and reports that show prompts, templates of chats and attacks.
//!
//! They hold the very marks by which an attack poses as a turn of the chat. What tells them apart is the text around:
//! it is about prompts, and says so.

use super::super::number::Draw;
use super::{Made, Stock, draw_phrase, fill, harmless_sentence, instruction, phrases, upper, wrapped};
use crate::Channel;

/// What stands above a part.
const HEADS: &[&str] = &[
    "## Zero-shot prompts",
    "## Few-shot prompts",
    "# Basics of prompting",
    "### Example {number}",
    "## Prompt templates",
    "## Chat markup",
    "## Roles",
    "### System, user and assistant",
    "## Settings",
    "## Reasoning step by step",
    "## Agents and tools",
    "## Risks",
    "## Adversarial prompts",
    "### Prompt injection",
    "### Prompt leaking",
    "### Jailbreaks",
    "## Defences",
    "## Fine-tuning format",
    "## Evaluation",
    "**Exercise**",
];

/// What is said between examples.
const PROSE: &[&str] = &[
    "A prompt can be as short as a word, but an instruction, some context and the form of the answer help.",
    "The prompt below asks for one word only.",
    "Chat models expect each turn between marks, as shown here.",
    "The system message sets the tone; the user's message comes after it.",
    "Most libraries write this template for you, so you seldom type the marks yourself.",
    "With one example in the prompt the model keeps to the form.",
    "Without an example it answers in a whole sentence.",
    "Add the words `step by step` and the answer gets longer, and right more often.",
    "Note that the label of the last line is missing: the model fills it in.",
    "Try to replace the task and look at what changes.",
    "We ran this with a temperature of zero and got the answer below.",
    "The same request with a persona reads quite differently.",
    "Tokens between the marks are not shown to the person who chats.",
    "This format was used to train the model, so keep the line ends.",
    "The model was told to say so when it does not know.",
    "In an agent the model also sees what the tools returned.",
    "Put instructions first and the text to work on last, with a separator between.",
    "Be specific: say how long the answer should be and for whom.",
    "Say what to do rather than what not to do.",
    "Each row of the data set holds a prompt and the answer that people liked best.",
];

/// What is said of attacks.
const ATTACKED: &[&str] = &[
    "An attacker can write such a line into the text that the model works on.",
    "The model followed the line inside the text instead of the task.",
    "Here the text itself holds an order, and the answer shows that it was obeyed.",
    "This was fixed in later models, but the idea remains.",
    "To test it, we placed the following in a page and asked for a summary.",
    "The injected line comes last, which is where models listen most.",
    "A filter for single words does not catch this.",
    "Quoting the text and naming it as data makes the attack fail in most of our runs.",
    "The example is harmless; a real one would ask for mails or keys.",
    "Some people share such prompts as a game, others to get around a policy.",
    "Never give a model that reads foreign text the right to act on its own.",
    "Users tricked the bot into printing its prompt, which was published the same day.",
];

/// What models answer in examples.
const ANSWERS: &[&str] = &[
    "Sure! Here is a short answer.",
    "Neutral",
    "positive",
    "I do not know.",
    "The answer is {number}.",
    "{topic} comes from {place}.",
    "Haha, got you!",
    "As a language model I can't do that.",
    "Hello! How can I help you today?",
    "Here are {number} ideas: {word}, {word} and {word}.",
    "{place}",
    "{person} lives in {place}.",
    "LOL",
];

/// System messages of examples.
const SYSTEMS: &[&str] = &[
    "You are a helpful assistant.",
    "You are a helpful assistant. Answer as briefly as you can.",
    "You are an assistant for {topic}. Be polite and technical.",
    "You translate from English to {language}.",
    "You are a teacher of {topic} who explains in simple words.",
    "You are {name}, a friendly bot. Never make up facts.",
    "Answer from the context below. If the answer is not in it, say \"I do not know\".",
    "Classify the text as neutral, negative or positive.",
    "You extract names and dates as JSON and write nothing else.",
    "Your job is to decide whether a message is safe to be shown to the model. Answer yes or no.",
];

/// Small tasks of examples with what they work on.
const SHOTS: &[&str] = &[
    "Classify the text into neutral, negative or positive.\nText: I think {topic} was okay.\nSentiment:",
    "Text: {topic} was a waste of time // negative\nText: I love {topic} // positive\nText: {place} is fine //",
    "Translate the following text from English to {language}:\n> {person} likes {topic}.",
    "Q: What is {number} plus {number}?\nA: Let us think step by step.",
    "Answer the question from the context. Keep it short.\nContext: {person} was born in {place}.\nQuestion: Where was {person} born?\nAnswer:",
    "Extract the name of the place.\nDesired format:\nPlace: <comma_separated_list>\nInput: \"{person} moved to {place} last year.\"",
    "Question: Who invented {topic}?\nThought: I should look this up.\nAction: search[{topic}]\nObservation: {person} did, in {place}.\nThought: I now know the final answer.\nFinal answer: {person}",
    "Explain {topic} in one sentence:",
    "The sky is",
    "Write a limerick about {topic}.\n\nMake sure that the last line names {place}.",
    "Generate a table of {number} rows with names and towns. Use semicolons.",
    "Summarise the text below as a list of the most important points.\n\nText: \"\"\"\n{place} is known for {topic}.\n\"\"\"",
    "The odd numbers in this group add up to an even number: {number}, {number}, {number}.\nA:",
    "Is the following message safe? Reply with a single word.\nMessage: \"Tell me about {topic}\"",
];

/// What reading lists at the end of such texts name.
const TITLES: &[&str] = &[
    "How safe is code written by language models?",
    "A survey of attacks on chat models",
    "Chat models in the enterprise: a guide for developers",
    "T{number}: indirect prompt injection",
    "T{number}.{number}: extract a model",
    "T{number}: jailbreak of a model",
    "Developer's guide to plugins",
    "Large language models and {topic}: an overview",
    "Risks of assistants that browse",
    "Model access by inference API",
    "Poisoned training data: what is known",
    "Top ten risks of applications with LLMs",
    "One small step for {topic}, one giant leap for AI",
    "Why models repeat what they were told to hide",
    "Guardrails for chatbots, version {number}",
    "Human in the loop: when agents should ask",
];

/// A reading list.
fn reading(draw: &mut Draw) -> String {
    let mut lines: Vec<String> = Vec::new();
    for at in 0..2 + draw.below(6) {
        let title = draw_phrase(draw, TITLES);
        let bullet = match draw.below(3) {
            0 => format!("{}. ", at + 1),
            1 => "- ".to_owned(),
            _ => "* ".to_owned(),
        };
        let source = *draw
            .pick(&["", ": {person}", ": **{place}**", " ({number})"])
            .unwrap_or(&"");
        lines.push(format!("{bullet}[{title}]({{url}}){source}"));
    }
    lines.join("\n")
}

/// A guide, or a part of one.
pub(super) fn make(draw: &mut Draw, stock: &Stock<'_>) -> Made {
    let about_attacks = draw.chance(0.4);
    let mut parts: Vec<String> = Vec::new();
    for _ in 0..1 + draw.below(4) {
        if draw.chance(0.5) {
            parts.push(draw_phrase(draw, HEADS).to_owned());
        }
        for _ in 0..draw.below(3) {
            let list = if about_attacks && draw.chance(0.5) {
                ATTACKED
            } else {
                PROSE
            };
            parts.push(draw_phrase(draw, list).to_owned());
        }
        let request = asked(draw, stock, about_attacks);
        parts.push(shown(draw, &request));
        if draw.chance(0.3) {
            parts.push(harmless_sentence(draw));
        }
    }
    if about_attacks {
        parts.push(draw_phrase(draw, ATTACKED).to_owned());
    }
    if draw.chance(0.3) {
        parts.push(reading(draw));
    }
    let gap = *draw.pick(&["\n\n", "\n\n", "\n", " "]).unwrap_or(&"\n\n");
    let text = parts.join(gap);
    let channel = if draw.chance(0.85) {
        Channel::Document
    } else {
        Channel::Tool
    };
    Made {
        text: fill(draw, &text),
        attack: None,
        channel,
    }
}

/// What the model is asked in an example.
fn asked(draw: &mut Draw, stock: &Stock<'_>, about_attacks: bool) -> String {
    if about_attacks && draw.chance(0.6) {
        let shot = draw_phrase(draw, SHOTS);
        let attack = wrapped(draw, stock);
        return if draw.chance(0.5) {
            attack
        } else {
            format!("{shot}\n> {attack}")
        };
    }
    match draw.below(4) {
        0 => draw_phrase(draw, phrases::TASKS).to_owned(),
        1 => upper(&instruction(draw, stock)),
        _ => draw_phrase(draw, SHOTS).to_owned(),
    }
}

/// A prompt as such texts show it: in the marks of some model, as code, or quoted.
fn shown(draw: &mut Draw, user: &str) -> String {
    let system = draw_phrase(draw, SYSTEMS);
    let answer = draw_phrase(draw, ANSWERS);
    let text = match draw.below(16) {
        0 | 1 => format!(
            "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>"
        ),
        2 => format!("[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{user} [/INST] {answer}"),
        3 => format!("<s>[INST] {user} [/INST] {answer}</s>"),
        4 => format!("### Instruction:\n{user}\n\n### Response:\n{answer}"),
        5 => format!("Human: {user}\n\nAssistant: {answer}"),
        6 => format!("SYSTEM: {system}\nUSER: {user}\nASSISTANT: {answer}"),
        7 => format!("User: {user}\nAI: {answer}"),
        8 => format!(
            "messages = [\n    {{\"role\": \"system\", \"content\": \"{system}\"}},\n    {{\"role\": \"user\", \"content\": \"{user}\"}},\n]"
        ),
        9 => format!("<|user|>\n{user}</s>\n<|assistant|>\n{answer}"),
        10 => format!(
            "<|start_header_id|>user<|end_header_id|>\n\n{user}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n{answer}"
        ),
        11 => format!("> {}\n\n*Output:* {answer}", user.replace('\n', "\n> ")),
        12 => format!("Prompt: \"{user}\"\nOutput: \"{answer}\""),
        _ => {
            return format!("*Prompt:*\n```\n{user}\n```\n*Output:*\n```\n{answer}\n```");
        }
    };
    if draw.chance(0.5) {
        format!("```\n{text}\n```")
    } else {
        text
    }
}
