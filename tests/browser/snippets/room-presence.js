new window.Firebase('//' + self.firebase + '.firebaseIO.com/' + channel).once('value', function (data) {
    var isRoomPresent = data.val() != null;
    if (!isRoomPresent) {
