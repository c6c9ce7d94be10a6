from .student_space import StudentSpace as StudentSpace
