use testkit_lab::images::Images;

#[test]
fn builds_an_image_once() {
    let images = Images::for_tests();
    let first = images.busybox().unwrap();
    let written = std::fs::metadata(&first.archive).unwrap().modified().unwrap();
    let second = images.busybox().unwrap();
    assert_eq!(first.archive, second.archive);
    assert_eq!(written, std::fs::metadata(&second.archive).unwrap().modified().unwrap());
}

#[test]
fn knows_no_other_images() {
    let error = Images::for_tests().build("nobody/nothing:1").unwrap_err();
    assert_eq!(error.to_string(), "there is no recipe for an image `nobody/nothing:1`");
}
