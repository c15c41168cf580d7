connection.openSignalingChannel = function (config) {
    var channel = config.channel || this.channel || 'default-channel';
    var socket = new window.Firebase('https://chat.firebaseIO.com/' + channel);
    socket.channel = channel;
    socket.on('child_added', function (data) {
        config.onmessage && config.onmessage(data.val());
    });
    socket.send = function (data) {
        this.push(data);
    };
    config.onopen && setTimeout(config.onopen, 1);
    socket.onDisconnect().remove();
    return socket;
};
