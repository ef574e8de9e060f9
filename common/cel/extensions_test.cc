// Kubernetes' libraries, by the words of its documentation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/cel/expression_testing.h"

namespace xpu::cel {
namespace {

TEST(CelExtensionsTest, Strings) {
  for (const char* text : {
           "'hello'.charAt(4) == 'o' && 'hello'.charAt(5) == '' && 'aü'.charAt(1) == 'ü'",
           "'hello mellow'.indexOf('') == 0 && 'hello mellow'.indexOf('ello') == 1",
           "'hello'.indexOf('x') == -1",
           "'hello mellow'.indexOf('', 2) == 2 && 'hello mellow'.indexOf('ello', 2) == 7",
           "'üx'.indexOf('x') == 1",
           "'hello mellow'.lastIndexOf('') == 12 && 'hello mellow'.lastIndexOf('ello') == 7",
           "'hello mellow'.lastIndexOf('jello') == -1 && 'hello mellow'.lastIndexOf('ello', 6) == 1",
           "'TacoCÆt'.lowerAscii() == 'tacocÆt' && 'TacoCÆt'.upperAscii() == 'TACOCÆT'",
           "'hello hello'.replace('he', 'we') == 'wello wello'",
           "'hello hello'.replace('he', 'we', 1) == 'wello hello'",
           "'hello hello'.replace('he', 'we', 0) == 'hello hello'",
           "'hello hello'.replace('he', 'we', -1) == 'wello wello'",
           "'ab'.replace('', '-') == '-a-b-' && 'aaa'.replace('aa', 'b') == 'ba'",
           "'a b c'.split(' ') == ['a', 'b', 'c'] && 'a b c'.split(' ', 0) == []",
           "'a b c'.split(' ', 1) == ['a b c']",
           "'a b c'.split(' ', 2) == ['a', 'b c'] && 'a b c'.split(' ', -1) == ['a', 'b', 'c']",
           "'aüc'.split('') == ['a', 'ü', 'c'] && ''.split(',') == [''] && ''.split('') == []",
           "['a', 'b'].join() == 'ab' && ['a', 'b'].join(', ') == 'a, b' && [].join('/') == ''",
           "'tacocat'.substring(4) == 'cat' && 'tacocat'.substring(0, 4) == 'taco'",
           "'üü'.substring(1) == 'ü'",
           "'  \\ttrim\\n '.trim() == 'trim' && '   '.trim() == '' && '\\u00a0x\\u2003'.trim() == 'x'",
           R"cel(strings.quote('a "b"\n') == '"a \\"b\\"\\n"')cel",
       }) {
    ExpectTrue(text);
  }
  for (const Failure& failure : std::vector<Failure>{
           {"'hello'.charAt(-1) == ''", "index out of range: -1"},
           {"'hello'.charAt(6) == ''", "index out of range: 6"},
           {"'hello'.indexOf('x', 9) == 0", "index out of range"},
           {"'hello'.lastIndexOf('x', -1) == 0", "index out of range"},
           {"'hello'.substring(-1) == ''", "index out of range"},
           {"'hello'.substring(6) == ''", "index out of range"},
           {"'hello'.substring(2, 1) == ''", "invalid substring range"},
           {"[dyn(1)].join() == ''", "join() needs strings"},
       }) {
    ExpectFails(failure.text, failure.message);
  }
}

TEST(CelExtensionsTest, Format) {
  for (const char* text : {
           "'%s and %d'.format(['str', 42]) == 'str and 42'",
           "'100%% of %s'.format([64.2]) == '100% of 64.2'",
           "'%s %s %s %s'.format([true, null, 1u, type(string)]) == 'true null 1 type'",
           "'%s'.format([timestamp('2023-02-03T23:31:20+00:00')]) == '2023-02-03T23:31:20Z'",
           "'%s'.format([duration('1h45m47s')]) == '6347s' && '%s'.format([b'foo']) == 'foo'",
           "'%f %.1f %.0f'.format([3.14, 3.14, 2.5]) == '3.140000 3.1 2' && '%f'.format([1]) == '1.000000'",
           "'%e %.1e'.format([2.71828, -3.14]) == '2.718280e+00 -3.1e+00'",
           "'%b %b %x %X %o'.format([5, true, 26, 26, 30]) == '101 1 1a 1A 36'",
           "'%x'.format(['hi']) == '6869' && '%d'.format([-9223372036854775808]) == '-9223372036854775808'",
           "'%b'.format([-5]) == '-101'",
           "'%s'.format([[1, 2, 3]]) == '[1, 2, 3]'",
           "'%s'.format([{'b': 'x', 'a': 'y'}]) == '{\"a\": \"y\", \"b\": \"x\"}'",
       }) {
    ExpectTrue(text);
  }
  for (const Failure& failure : std::vector<Failure>{
           {"'%d'.format(['a']) == ''", "%d takes no string"},
           {"'%f'.format(['a']) == ''", "%f takes no string"},
           {"'%x'.format([1.5]) == ''", "%x takes no double"},
           {"'%d %d'.format([1]) == ''", "more clauses than the 1 values"},
           {"'%q'.format([1]) == ''", "there is no %q"},
           {"'%'.format([1]) == ''", "in the middle of a clause"},
           {"'%.999f'.format([1.0]) == ''", "precision"},
       }) {
    ExpectFails(failure.text, failure.message);
  }
}

TEST(CelExtensionsTest, Regex) {
  for (const char* text : {
           "'abc 123'.find('[0-9]+') == '123' && 'abc'.find('[0-9]+') == ''",
           "'abc 123'.find('[0-9]*') == ''",
           "'123 abc 456'.findAll('[0-9]+') == ['123', '456']",
           "'123 abc 456'.findAll('[0-9]+', 1) == ['123']",
           "'123 abc'.findAll('x') == [] && '1,2,3'.findAll('[0-9]').map(x, int(x)).sum() == 6",
           "'1,2'.findAll('[0-9]', 0) == [] && 'ab'.findAll('') == ['', '', '']",
           "'12a'.findAll('[0-9]*') == ['12', '']",
       }) {
    ExpectTrue(text);
  }
  ExpectRefused("'a'.find('a(')", "no regular expression");
  ExpectRefused("'a'.findAll('a(')", "no regular expression");
}

TEST(CelExtensionsTest, Lists) {
  for (const char* text : {
           "[1, 2, 2].isSorted() && ![2, 1].isSorted() && ['a', 'b'].isSorted() && [true].isSorted()",
           "[duration('1s'), duration('2s')].isSorted() && [1.0, 1.5].isSorted() && [].isSorted()",
           "[1, 2, 3].sum() == 6 && [1.5, 2.5].sum() == 4.0 && [1u].sum() == 1u",
           "[duration('1s')].sum() == duration('1s')",
           "[1].filter(x, false).sum() == 0",
           "[3, 1, 2].min() == 1 && [3, 1, 2].max() == 3 && ['b', 'a'].min() == 'a'",
           "[timestamp(1)].max() == timestamp(1)",
           "[1, 2, 2].indexOf(2) == 1 && [1, 2, 2].lastIndexOf(2) == 2 && [1].indexOf(5) == -1",
           "['a'].lastIndexOf('b') == -1",
           "sets.contains([1, 2, 3], [2]) && sets.contains([1], []) && !sets.contains([1], [2])",
           "sets.contains([[1]], [[1]])",
           "sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [2]) && !sets.intersects([], [])",
           "sets.equivalent([1, 2], [2, 1, 1]) && !sets.equivalent([1], [1, 2]) && sets.equivalent([], [])",
       }) {
    ExpectTrue(text);
  }
  ExpectFails("[1].filter(x, false).min() == 0", "min() of an empty list");
  ExpectFails("[9223372036854775807, 1].sum() == 0", "integer overflow");
  ExpectRefused("['a'].sum()", "there is no sum() for list(string)");
  ExpectRefused("[[1]].min()", "there is no min()");
  ExpectFails("dyn([dyn(1), dyn('a')]).max() == 1", "have no order");
}

TEST(CelExtensionsTest, Urls) {
  for (const char* text : {
           "isURL('https://user:pass@example.com:80/path?query=val#fragment') && isURL('/absolute-path')",
           "!isURL('https://a:b:c/') && !isURL('../relative-path') && !isURL('')",
           "!isURL('http://a b/') && !isURL(':x')",
           "!isURL('http://a/%zz') && isURL('mailto:a@b') && !isURL('a')",
           "url('/path').getScheme() == '' && url('HTTPS://example.com/').getScheme() == 'https'",
           "url('https://example.com:80/').getHost() == 'example.com:80' && url('/path').getHost() == ''",
           "url('https://[::1]:80/').getHost() == '[::1]:80' && url('https://[::1]/').getHost() == '[::1]'",
           "url('https://example.com:80/').getHostname() == 'example.com'",
           "url('https://[::1]:80/').getHostname() == '::1'",
           "url('https://u@127.0.0.1:80/').getHostname() == '127.0.0.1' && url('/path').getHostname() == ''",
           "url('https://example.com:80/').getPort() == '80'",
           "url('https://example.com/').getPort() == '' && url('https://[::1]/').getPort() == ''",
           "url('https://example.com/path').getEscapedPath() == '/path'",
           "url('https://example.com').getEscapedPath() == ''",
           "url('https://example.com/with spaces/').getEscapedPath() == '/with%20spaces/'",
           "url('https://example.com/a?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}",
           "url('https://example.com/a?k w=v+x%41').getQuery() == {'k w': ['v xA']}",
           "url('https://example.com/path?').getQuery() == {} && url('/a') == url('/a')",
           "url('/a') != url('/b')",
       }) {
    ExpectTrue(text);
  }
  ExpectFails("url('../x') == url('/x')", "neither an absolute URL nor a path");
}

TEST(CelExtensionsTest, Addresses) {
  for (const char* text : {
           "isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256') && !isIP(':::1')",
           "!isIP('fe80::1%eth0')",
           "!isIP('::ffff:1.2.3.4') && !isIP('010.0.0.1')",
           "ip('127.0.0.1').family() == 4 && ip('::1').family() == 6 && ip('::1') == ip('0::1')",
           "ip('1.1.1.1') != ip('1.1.1.2')",
           "ip.isCanonical('127.0.0.1') && ip.isCanonical('2001:db8::abcd')",
           "!ip.isCanonical('2001:DB8::ABCD')",
           "ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified() && !ip('::1').isUnspecified()",
           "ip('127.0.0.1').isLoopback() && ip('::1').isLoopback() && !ip('2001:db8::1').isLoopback()",
           "ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()",
           "ip('ff02::1').isLinkLocalMulticast()",
           "ip('169.254.169.254').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast()",
           "!ip('fd80::1').isLinkLocalUnicast()",
           "ip('192.168.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
           "!ip('ff00::1').isGlobalUnicast()",
           "string(ip('2001:DB8::1')) == '2001:db8::1' && type(ip('::1')) == net.IP",
           "isCIDR('192.168.0.0/16') && isCIDR('::1/128') && !isCIDR('192.168.0.0/33')",
           "!isCIDR('::1/129') && !isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/08')",
           "cidr('192.168.0.0/24').containsIP(ip('192.168.0.1'))",
           "!cidr('192.168.0.0/24').containsIP('192.168.1.1')",
           "!cidr('0.0.0.0/0').containsIP('::1')",
           "cidr('192.168.0.0/16').containsCIDR(cidr('192.168.10.0/24'))",
           "!cidr('192.168.1.0/24').containsCIDR('192.168.2.0/24')",
           "!cidr('192.168.0.0/24').containsCIDR('192.168.0.0/16')",
           "cidr('192.168.0.1/24').ip() == ip('192.168.0.1')",
           "cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24')",
           "cidr('192.168.0.1/24') != cidr('192.168.0.0/24') && cidr('::1/128').prefixLength() == 128",
           "string(cidr('10.0.0.0/8')) == '10.0.0.0/8'",
       }) {
    ExpectTrue(text);
  }
  ExpectFails("ip('x').family() == 4", "'x' is no IP address");
  ExpectFails("ip('::ffff:1.2.3.4').family() == 4", "write it as IPv4");
  ExpectFails("cidr('10.0.0.0/33').prefixLength() == 4", "is no CIDR");
  ExpectFails("cidr('10.0.0.0/8').containsIP('x')", "is no IP address");
}

TEST(CelExtensionsTest, Quantities) {
  for (const char* text : {
           "isQuantity('1.3G') && isQuantity('1.3Gi') && isQuantity('10000k')",
           "isQuantity('1e3') && isQuantity('-5m') && isQuantity('+.5')",
           "!isQuantity('1,3G') && !isQuantity('200K') && !isQuantity('Three')",
           "!isQuantity('Mi') && !isQuantity('') && !isQuantity('1..5') && !isQuantity('1e')",
           "quantity('50000000G').isInteger() && quantity('50k').asInteger() == 50000",
           "!quantity('9999999999999999999999999999999999999G').isInteger()",
           "quantity('1.5').isInteger() == false",
           "quantity('50k').sub(20000).asApproximateFloat() == 30000.0",
           "quantity('50k').sub(20000) == quantity('30k')",
           "quantity('50k').add(quantity('20k')) == quantity('70k')",
           "quantity('50k').add(20).sub(quantity('100k')).sub(-50000) == quantity('20')",
           "quantity('200M').compareTo(quantity('0.2G')) == 0",
           "quantity('50M').compareTo(quantity('50Mi')) == -1",
           "quantity('50Mi').compareTo(quantity('50M')) == 1",
           "quantity('150Mi').isGreaterThan(quantity('100Mi'))",
           "quantity('50M').isLessThan(quantity('100M'))",
           "!quantity('50Mi').isGreaterThan(quantity('100Mi'))",
           "quantity('-1').sign() == -1 && quantity('0').sign() == 0 && quantity('2m').sign() == 1",
           "quantity('0.1n') == quantity('1n') && quantity('1E') == quantity('1e18')",
           "quantity('1Ki') == quantity('1024')",
           "quantity('0.0000000000000000000001Gi') == quantity('1n')",
           "quantity('100000000000000000000000000m') == quantity('9e18').add(223372036854775807)",
       }) {
    ExpectTrue(text);
  }
  ExpectFails("quantity('9999999999999999999999999999999999999G').asInteger() == 0",
              "cannot convert value to integer");
  ExpectFails("quantity('1.5').asInteger() == 0", "cannot convert value to integer");
  ExpectFails("quantity('200K').sign() == 0", "is no quantity");
}

TEST(CelExtensionsTest, NamedFormats) {
  for (const char* text : {
           "!format.dns1123Label().validate('my-label-name').hasValue()",
           "format.dns1123Label().validate('My').hasValue()",
           "!format.dns1123Subdomain().validate('apiextensions.k8s.io').hasValue()",
           "format.dns1035Label().validate('1a').hasValue()",
           "!format.qualifiedName().validate('a.io/v1').hasValue()",
           "!format.dns1123LabelPrefix().validate('my-prefix-').hasValue()",
           "!format.labelValue().validate('').hasValue()",
           "!format.uri().validate('http://example.com').hasValue()",
           "!format.byte().validate('aGVsbG8=').hasValue()",
           "!format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()",
           "!format.date().validate('2021-01-01').hasValue()",
           "format.date().validate('2021-13-01').hasValue()",
           "!format.datetime().validate('2021-01-01T00:00:00Z').hasValue()",
           "format.named('dns1123Label').hasValue() && !format.named('nosuch').hasValue()",
           "format.named('uuid').value().validate('x').value().join() == 'does not match the UUID format'",
       }) {
    ExpectTrue(text);
  }
}

TEST(CelExtensionsTest, OptionalValues) {
  for (const char* text : {
           "{'a': 1}.?a.hasValue() && !{'a': 1}.?b.hasValue() && {'a': 1}.?b.orValue(5) == 5",
           "{'a': 1}[?'a'].value() == 1",
           "[1][?0].hasValue() && ![1][?3].hasValue() && [1][?3].orValue(7) == 7",
           "{'a': {'b': 2}}.?a.b.orValue(0) == 2 && {'a': {'b': 2}}.?x.b.orValue(0) == 0",
           "has({'a': {'b': 2}}.?a.b)",
           "!has({'a': {'b': 2}}.?x.b)",
           "optional.of(1).value() == 1 && !optional.none().hasValue() && optional.of(1) == optional.of(1)",
           "optional.of(1) != optional.none() && !optional.ofNonZeroValue('').hasValue()",
           "optional.ofNonZeroValue(3).hasValue()",
           "{'a': 1}.?a.optMap(x, x + 1).orValue(0) == 2 && {'a': 1}.?b.optMap(x, x + 1).orValue(0) == 0",
           "{'a': {'b': 1}}.?a.optFlatMap(x, x.?c).orValue(9) == 9",
           "{'a': 1}.?b.or({'a': 1}.?a).value() == 1",
           "optional.of(1).orValue(1 / 0) == 1 && optional.of(1).or(optional.of(1 / 0)).hasValue()",
       }) {
    ExpectTrue(text);
  }
  ExpectFails("optional.none().value() == 1", "optional.none() dereference");
  ExpectRefused("1.orValue(2)", "there is no orValue() for int");
  ExpectRefused("{'a': 1}.?a == 1", "there is no == for (optional(int), int)");
  ExpectRefused("{'a': 1}.?a.optFlatMap(x, x)", "optFlatMap() needs an optional value, not int");
}

}  // namespace
}  // namespace xpu::cel
