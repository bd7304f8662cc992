#!/usr/bin/perl
# Starts faster than Node: hands what age says to the agent of this user, which has everything loaded, and hands back what that
# says. Where no agent runs, or it refuses, the program beside this one does it all. docs/formats/tunnel.md, `age`.
use strict;
use warnings;
use Errno 'EINTR';
use IO::Socket::UNIX;

my $here = $0;
$here = readlink($0) =~ m{^/} ? readlink($0) : $0 =~ s{[^/]*$}{}r . readlink($0) if -l $0;
$here =~ s{[^/]*$}{};

# As agentSocket() in host-agent/client/tunnel.ts has it.
sub agent_socket {
  my ($home, $run) = @ENV{'CLAVIGER_HOME', 'XDG_RUNTIME_DIR'};
  return "$home/agent.sock" if $home;
  return "$run/claviger/agent.sock" if $run;
  return ($ENV{XDG_CONFIG_HOME} // (($ENV{HOME} // '') . '/.config')) . '/claviger/agent.sock';
}

# The agent, once it has said that it will.
sub agent {
  my ($machine) = ($ARGV[0] // '') =~ /^--age-plugin=([a-z0-9-]{1,32})$/ or return;
  my $agent = IO::Socket::UNIX->new(Peer => agent_socket()) or return;
  syswrite $agent, qq({"do":"age","machine":"$machine"}\n);
  my $answer = '';
  my $within = '';
  vec($within, fileno($agent), 1) = 1;
  while ($answer !~ /\n/) {
    return if length $answer > 4096 or select(my $ready = $within, undef, undef, 5) < 1;
    # One at a time: what follows the line is for age.
    sysread $agent, $answer, 1, length $answer or return;
  }
  return $answer =~ /^\{"ok":true\}$/m ? $agent : undef;
}

sub send_all {
  my ($to, $bytes) = @_;
  for (my $at = 0; $at < length $bytes;) {
    my $sent = syswrite $to, $bytes, length($bytes) - $at, $at;
    exit 1 unless defined $sent or $! == EINTR;
    $at += $sent // 0;
  }
}

my $agent = agent() or exec "${here}age-plugin-claviger.mjs", @ARGV or exit 1;
$SIG{PIPE} = 'IGNORE';
my $open = '';
vec($open, fileno($_), 1) = 1 for \*STDIN, $agent;
while (select(my $ready = $open, undef, undef, undef)) {
  if (vec $ready, fileno($agent), 1) {
    sysread $agent, my $bytes, 65536 or exit 0;
    send_all(\*STDOUT, $bytes);
  }
  if (vec $ready, fileno(STDIN), 1) {
    if (sysread STDIN, my $bytes, 65536) { send_all($agent, $bytes) }
    else { vec($open, fileno(STDIN), 1) = 0; shutdown $agent, 1 }
  }
}
