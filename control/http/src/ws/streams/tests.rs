#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::*;

fn texts(messages: Vec<Message>) -> Vec<String> {
    messages.into_iter().map(|message| message.into_text().unwrap().to_string()).collect()
}

#[test]
fn output_is_cut_into_lines_with_their_source() {
    let mut framing = Framing::Lines(Lines::default());
    assert!(framing.messages(&StreamFrame::Output(b"hel".to_vec())).is_empty());
    assert_eq!(texts(framing.messages(&StreamFrame::Output(b"lo\r\nwor".to_vec()))), ["01 hello"]);
    assert_eq!(texts(framing.messages(&StreamFrame::Error(b"oops\n".to_vec()))), ["02 oops"]);
    assert_eq!(texts(framing.messages(&StreamFrame::End { code: Some(0) })), ["01 wor"]);
    let mut tty = Framing::Lines(Lines { tty: true, ..Lines::default() });
    assert_eq!(texts(tty.messages(&StreamFrame::Output(b"x\n\ny\n".to_vec()))), ["00 x", "00 ", "00 y"]);
}

#[test]
fn endless_lines_are_cut() {
    let mut framing = Framing::Lines(Lines::default());
    let messages = framing.messages(&StreamFrame::Output(vec![b'x'; LONGEST_LINE * 2 + 1]));
    assert_eq!(messages.len(), 2);
}

#[test]
fn old_consoles_speak_base64() {
    let mut framing = Framing::Base64;
    assert_eq!(texts(framing.messages(&StreamFrame::Output(b"hi".to_vec()))), ["aGk="]);
    assert_eq!(framing.frame(Message::Text("aGk=\n".into())), Some(StreamFrame::Input(b"hi".to_vec())));
    assert_eq!(framing.frame(Message::Text("%".into())), None);
}

#[test]
fn a_caller_cannot_pretend_to_be_the_host() {
    let framing = Framing::Frames;
    let end = StreamFrame::End { code: Some(0) };
    assert_eq!(framing.frame(Message::Binary(end.to_bytes().into())), None);
    let resize = StreamFrame::Resize { columns: 80, rows: 24 };
    assert_eq!(framing.frame(Message::Binary(resize.to_bytes().into())), Some(resize));
}
