// Kubernetes' own kubectl declares a kind with rules in CEL, and is told what they refuse.
#include "test/component/kube/kubectl_testing.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class KubectlRulesTest : public KubectlTest {
 protected:
  // The kind Attachment, with this rule beside the others.
  void WriteKind(const std::string& rule) {
    Write("kind.yaml", R"yaml(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: attachments.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Attachment, plural: attachments, singular: attachment}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [subnet]
            properties:
              subnet: {type: string}
              gateway: {type: string}
              host: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: host is for ever}]}
            x-kubernetes-validations:
            - rule: "!has(self.gateway) || cidr(self.subnet).containsIP(self.gateway)"
              messageExpression: "'%s is not in %s'.format([self.gateway, self.subnet])"
              fieldPath: .gateway
            - rule: ")yaml" +
                           rule + R"yaml("
          status:
            type: object
            properties: {inUse: {type: integer}}
            x-kubernetes-validations: [{rule: "!has(self.inUse) || self.inUse >= 0"}]
)yaml");
  }

  void WriteObject(const std::string& spec) {
    Write("object.yaml",
          "apiVersion: example.org/v1\nkind: Attachment\nmetadata: {name: a}\nspec: " + spec + "\n");
  }
};

TEST_F(KubectlRulesTest, RulesAreHeldAndWhatBreaksThemIsSaid) {
  WriteKind("isCIDR(self.subnet)");
  Kubectl("apply -f kind.yaml");
  Kubectl("wait --for=condition=established --timeout=20s crd/attachments.example.org");
  WriteObject("{subnet: 10.0.0.0/24, gateway: 10.0.1.1}");
  EXPECT_THAT(Kubectl("apply -f object.yaml", /*succeeds=*/false),
              AllOf(HasSubstr("spec.gateway"), HasSubstr("10.0.1.1 is not in 10.0.0.0/24")));
  WriteObject("{subnet: nowhere}");
  EXPECT_THAT(Kubectl("apply -f object.yaml", /*succeeds=*/false),
              HasSubstr("failed rule: isCIDR(self.subnet)"));
  WriteObject("{subnet: 10.0.0.0/24, gateway: 10.0.0.1, host: a}");
  Kubectl("apply -f object.yaml");
  EXPECT_THAT(
      Kubectl("patch attachment a --type merge -p '{\"spec\": {\"host\": \"b\"}}'", /*succeeds=*/false),
      HasSubstr("host is for ever"));
  EXPECT_THAT(Kubectl("apply --server-side --dry-run=server --force-conflicts -f object.yaml"),
              HasSubstr("attachment"));
  Kubectl("delete crd attachments.example.org --timeout=20s");
}

TEST_F(KubectlRulesTest, AKindWhoseRulesCannotBeEvaluatedIsRefused) {
  WriteKind("self.gatway == ''");
  EXPECT_THAT(Kubectl("apply -f kind.yaml", /*succeeds=*/false),
              AllOf(HasSubstr("x-kubernetes-validations[1].rule"),
                    HasSubstr("at 1:5: there is no field 'gatway'"), HasSubstr("gateway, host, subnet")));
  WriteKind("self.subnet");
  EXPECT_THAT(Kubectl("apply -f kind.yaml", /*succeeds=*/false), HasSubstr("must evaluate to a bool"));
}

}  // namespace
}  // namespace xpu
